// The dashboard as a person uses it: started by tools/test-dashboard.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { Fleet, eventually, freePort, pause, request } from "./fleet.mjs";

const bin = process.env.HMS_BIN;
const folder = process.argv[2] === "--screenshots" ? process.argv[3] : null;
if (!bin || (process.argv.length > 2 && !folder)) {
  console.error("usage: tools/test-dashboard [--screenshots FOLDER]");
  process.exit(2);
}

const HOSTILE = `"><img src=x onerror="window.broken=1"><script>window.broken=1</script>`;
let passed = 0;

async function test(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`✔ ${name}`);
  } catch (error) {
    console.error(`✘ ${name}\n  ${error.stack}`);
    process.exitCode = 1;
  }
}

/** The passport office: two callers, a service that works, one of two copies of which fails, and one that is down. */
async function office(fleet) {
  const fine = (_, answer) => setTimeout(() => answer.end("{}"), 4);
  const broken = (_, answer) => answer.writeHead(503).end("{}");
  const portal = await fleet.service("web-portal", "ws1-7005", fine);
  const photo = await fleet.service("photo-validator", "ws1-7000", fine);
  const identity = [await fleet.service("identity-check", "ws1-7001", fine), await fleet.service("identity-check", "ws2-7001", fine)];
  const payment = await fleet.service("payment-gateway", "ws1-7003", broken);
  await fleet.ask("POST", "/v1/external", { name: "legacy-agency", url: "http://127.0.0.1:9/" });
  await fleet.ask("PUT", "/v1/services/passport-printer/instances/ws9-7004", { ip: "10.1.3.9", port: 17004, version: "1.4.0", status: "unhealthy", ttlMs: null, tags: ["b"], metadata: { note: HOSTILE } });
  await fleet.ask("PUT", "/v1/services/identity-check/policy", { retries: 2, timeoutMs: 800 });
  const load = setInterval(() => {
    const ignore = () => {};
    portal.call("photo-validator", "/photo").catch(ignore);
    portal.call("payment-gateway", "/charge").catch(ignore);
    photo.call("identity-check", "/validate").catch(ignore);
    photo.call("identity-check", "/validate").catch(ignore);
    portal.call("legacy-agency", "/status").catch(ignore);
  }, 50);
  return { portal, photo, identity, payment, stop: () => clearInterval(load) };
}

const browser = await Browser.launch();
const fleet = new Fleet(bin);
let load;
try {
  await fleet.startRegistry();
  const url = await fleet.startDashboard();
  const port = Number(new URL(url).port);
  const to = { host: "127.0.0.1", port };

  await test("an empty registry says so, and nothing is failing", async () => {
    const page = await browser.page();
    await page.open(url);
    await page.until("document.querySelector('#link').textContent === 'live'");
    await page.until("document.querySelector('.empty')?.textContent === 'No service is registered.'");
    assert.match(await page.text("#failing"), /Nothing is failing/);
    assert.deepEqual(page.faults, []);
    await page.close();
  });

  const before = new Date();
  await pause(1100);
  load = await office(fleet);
  const page = await browser.page();
  await page.open(url);

  await test("services appear with health, rates and who fails, without a reload", async () => {
    await page.until("document.querySelector('[data-name=\"identity-check\"] .ratio')?.textContent === '2/2'");
    await page.until("parseFloat(document.querySelector('[data-name=\"identity-check\"] .c-rps')?.textContent) > 5");
    assert.equal(await page.evaluate("document.querySelector('[data-name=\"identity-check\"] .c-ok').textContent"), "100.00%");
    assert.match(await page.evaluate("document.querySelector('[data-name=\"identity-check\"] .c-p99').textContent"), /\d ms$/);
    await page.until("[...document.querySelectorAll('.failure b')].some((e) => e.textContent === 'payment-gateway')");
    assert.match(await page.text("#failing"), /passport-printer/);
  });

  await test("where no sidecar tells a number there is a dash, not a zero", async () => {
    for (const column of ["rps", "ok", "p50", "p99", "retries", "breaker"]) {
      assert.equal(await page.evaluate(`document.querySelector('[data-name="passport-printer"] .c-${column}').textContent`), "-", column);
    }
  });

  await test("a change is on the screen without being asked for, and so is an instance that goes", async () => {
    await fleet.ask("PUT", "/v1/services/late-comer/instances/a", { ip: "10.0.0.1", port: 1, status: "healthy", ttlMs: null });
    await page.until("document.querySelector('[data-name=\"late-comer\"] .ratio')?.textContent === '1/1'", 3000);
    await fleet.ask("DELETE", "/v1/services/late-comer/instances/a");
    await page.until("document.querySelector('[data-name=\"late-comer\"] .ratio')?.textContent === '0/0'", 3000);
  });

  await test("figures are never rounded to what they are not, and what is bad is judged so", async () => {
    const found = await page.evaluate(`(async () => {
      const { percent, rate, milliseconds, duration, count } = await import("/format.js");
      const { judge, judgeEdge } = await import("/store.js");
      return [
        percent(0.99999), percent(1), percent(undefined), rate(0), rate(0.01), rate(undefined), milliseconds(1620), milliseconds(undefined), duration(272000), count(undefined),
        judge({ s: [0, 0, 0, 3, 0] }).level, judge({ s: [0, 2, 0, 1, 0] }).level, judge({ s: [1, 0, 0, 0, 0] }).level, judge({ s: [0, 0, 0, 0, 0] }).level,
        judge({ s: [0, 1, 0, 0, 0] }, { ok: 0.98 }).level, judge({ s: [0, 1, 0, 0, 0] }, { ok: 1, rt: 0.2 }).level,
        judgeEdge({ u: 0, a: 2 }).level, judgeEdge({ u: 1, a: 1, open: 5 }).level, judgeEdge({ u: 1, a: 2 }).level, judgeEdge({ k: false, u: 0, a: 0 }).reasons[0],
      ];
    })()`);
    assert.deepEqual(found, ["99.99%", "100.00%", "-", "0", "<0.1", "-", "1.6 s", "-", "4m32s", "-", 2, 1, 0, 0, 2, 1, 2, 2, 1, "not registered"]);
  });

  await test("names and metadata of the registry are text, whatever they look like", async () => {
    await page.click('[data-name="passport-printer"]');
    await page.until("!document.querySelector('#details').hidden");
    await page.until("[...document.querySelectorAll('#details td.strong')].some((e) => e.textContent === 'ws9-7004')");
    await page.click("#details tbody tr");
    await page.until(`document.querySelector('#details .facts')?.textContent.includes(${JSON.stringify(HOSTILE)})`);
    assert.equal(await page.evaluate("window.broken"), undefined);
    assert.equal(await page.evaluate("document.querySelectorAll('#details img, #details script').length"), 0);
    await page.press("Escape");
    await page.until("document.querySelector('#details').hidden");
  });

  await test("an instance's history comes from the log, its requests live", async () => {
    await page.evaluate("location.hash = '#services/identity-check/ws1-7001'");
    await page.until("document.querySelector('#details h2').textContent === 'ws1-7001'");
    await page.click('[data-tab="history"]');
    await page.until("document.querySelector('#details .panel-body')?.textContent.includes('registered at')");
    await page.click('[data-tab="requests"]');
    await page.until("document.querySelectorAll('#details .tail tbody tr').length > 3");
    assert.match(await page.text("#details .tail tbody:nth-of-type(1)"), /200[\s\S]*photo-validator[\s\S]*mTLS[\s\S]*\/validate/);
    await page.press("Escape");
  });

  await test("the picture shows who calls whom, with marks for mutual TLS and for what fails", async () => {
    await page.press("2");
    await page.until("document.querySelectorAll('.edge').length >= 4");
    const titles = await page.evaluate("[...document.querySelectorAll('.edge title')].map((e) => e.textContent)");
    assert.ok(titles.some((title) => title.startsWith("photo-validator → identity-check · mTLS")), titles.join("\n"));
    assert.ok(titles.some((title) => title.startsWith("web-portal → legacy-agency · plain")), titles.join("\n"));
    assert.ok(await page.evaluate("[...document.querySelectorAll('.edge.bad title')].some((e) => e.textContent.includes('payment-gateway'))"));
    assert.match(await page.text("#view-mesh tbody"), /web-portal\/ws1-7005\tpayment-gateway/);
  });

  await test("the registry's own state: sequence, checkpoint, shards, subscribers, fsync, guard", async () => {
    await page.press("3");
    await page.until("document.querySelector('#view-registry .facts')?.textContent.includes('Checkpoint')");
    const text = await page.text("#view-registry");
    for (const word of [/Sequence\s+\d/, /Subscribers\s+\d/, /fsync p99\s+[\d.]+ ms/, /Guard off/, /1,024/]) assert.match(text, word);
    await page.until("document.querySelectorAll('.chart path')[0].getAttribute('d').length > 20");
    assert.match(text, /late-comer\/a/);
  });

  await test("keys: search, selection, opening, closing, filter, light and dark", async () => {
    await page.press("1");
    await page.press("/");
    await page.type("payment");
    await page.until("document.querySelectorAll('.body .row:not([hidden])').length === 1");
    await page.press("ArrowDown");
    await page.press("Escape");
    await page.until("document.querySelectorAll('.body .row:not([hidden])').length > 4");
    await page.press("j");
    await page.press("Enter");
    await page.until("!document.querySelector('#details').hidden");
    await page.press("Escape");
    await page.press("f");
    await page.until("document.querySelector('[data-filter=failing]').getAttribute('aria-pressed') === 'true'");
    await page.press("f");
    await page.press("t");
    assert.match(await page.evaluate("document.documentElement.dataset.theme"), /dark|light/);
    await page.press("t");
    await page.press("?");
    assert.ok(await page.evaluate("document.querySelector('#keys').open"));
    await page.evaluate("document.querySelector('#keys').close()");
  });

  await test("a search finds instances by address and tag, which only the server knows", async () => {
    await page.press("/");
    await page.type("10.1.3.9");
    await page.until("document.querySelector('.body .row:not([hidden])')?.dataset.name === 'passport-printer' && document.querySelectorAll('.body .row:not([hidden])').length === 1");
    await page.press("Escape");
  });

  await test("the past: the registry as of a moment, then back to live", async () => {
    const { show } = { show: `(await import("/timeline.js")).show` };
    await page.evaluate(`(async () => { await ${show}(${before.getTime() + 500}) })()`);
    await page.until("!document.querySelector('#past-bar').hidden");
    assert.equal(await page.evaluate("document.querySelectorAll('.body .row:not([hidden])').length"), 0);
    await page.evaluate(`(async () => { await ${show}(Date.now() - 500) })()`);
    await page.until("document.querySelector('[data-name=\"identity-check\"] .ratio')?.textContent === '2/2'");
    assert.equal(await page.evaluate("document.querySelector('[data-name=\"identity-check\"] .c-rps').textContent"), "-");
    await page.press("[");
    await page.press("l");
    await page.until("document.querySelector('#past-bar').hidden");
    await page.until("document.querySelector('[data-name=\"identity-check\"] .c-rps').textContent !== '-'");
  });

  await test("a registry that goes away is said to be away, and comes back", async () => {
    const { registry } = fleet;
    registry.kill("SIGKILL");
    await page.until("document.querySelector('#link').textContent === 'registry unreachable'");
    assert.match(await page.text("#failing"), /registry/);
    await fleet.startRegistry();
    await page.until("document.querySelector('#link').textContent === 'live'");
    await page.until("document.querySelector('[data-name=\"passport-printer\"]')");
    // What was asked of it meanwhile could not be answered, which the browser notes.
    page.faults = page.faults.filter((fault) => !fault.includes("502"));
  });

  await test("no script failed, nothing of elsewhere was asked for, no rule of the policy was broken", async () => {
    assert.deepEqual(page.faults, []);
  });

  await test("only names of loopback are answered, and no page of elsewhere", async () => {
    assert.equal((await request(to, "GET", "/", undefined, { host: "evil.example" })).status, 421);
    assert.equal((await request(to, "GET", "/api/about", undefined, { host: `localhost:${port}`, "sec-fetch-site": "cross-site" })).status, 403);
    assert.equal((await request(to, "POST", "/", "", { host: `localhost:${port}` })).status, 405);
    const home = await request(to, "GET", "/", undefined, { host: `localhost:${port}` });
    assert.match(home.headers["content-security-policy"], /^default-src 'self'/);
  });

  await test("a second dashboard is told of the first, a port of somebody else's is named, another address refused", async () => {
    const second = fleet.run("hms-mesh", ["dashboard", "--registry", `unix:${fleet.socket}`, "--listen", `127.0.0.1:${port}`, "--no-open"], "second");
    await eventually("its end", () => second.exitCode !== null);
    assert.equal(second.exitCode, 1);
    assert.match(second.words, /Your dashboard runs already: http:\/\/127\.0\.0\.1:\d+\n.*pid \d+[\s\S]*--listen/);
    const taken = load.portal.server.address().port;
    const third = fleet.run("hms-mesh", ["dashboard", "--registry", `unix:${fleet.socket}`, "--listen", `127.0.0.1:${taken}`, "--no-open"], "third");
    await eventually("its end", () => third.exitCode !== null);
    assert.match(third.words, new RegExp(`Port ${taken} is taken by node \\(pid ${process.pid}\\)`));
    const fourth = fleet.run("hms-mesh", ["dashboard", "--registry", `unix:${fleet.socket}`, "--listen", `0.0.0.0:${await freePort()}`], "fourth");
    await eventually("its end", () => fourth.exitCode !== null);
    assert.equal(fourth.exitCode, 2);
  });

  if (folder) await takePictures(page);

  await test("Ctrl-C ends it with 130", async () => {
    fleet.dashboard.kill("SIGINT");
    await eventually("its end", () => fleet.dashboard.exitCode !== null);
    assert.equal(fleet.dashboard.exitCode, 130);
  });
} finally {
  load?.stop();
  await browser.close();
  await fleet.stop();
}
console.log(process.exitCode ? "✘ the dashboard" : `✔ the dashboard · ${passed} tests passed`);
process.exit();

// MARK: Pictures

async function takePictures() {
  mkdirSync(folder, { recursive: true });
  for (const services of [5, 100, 2500]) {
    if (services > 5) await fleet.fill(services);
    await pause(1500);
    for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
      for (const isDark of [false, true]) {
        const page = await browser.page({ width, height, isDark });
        await page.open(fleet.url);
        // What the tests have chosen is kept; here the system's choice counts.
        await page.evaluate("localStorage.clear(); delete document.documentElement.dataset.theme");
        await page.until("document.querySelectorAll('.body .row').length >= 5");
        await pause(3500);
        const shot = (name) => page.screenshot(join(folder, `${services}-${width}-${isDark ? "dark" : "light"}-${name}.png`));
        await shot("services");
        await page.evaluate("location.hash = '#services/identity-check'");
        await pause(500);
        await shot("details");
        if (services === 5) {
          await page.click('[data-tab="history"]');
          await pause(700);
          await shot("history");
          await page.click('[data-tab="requests"]');
          await pause(1200);
          await shot("requests");
          await page.evaluate("location.hash = '#services/identity-check/ws1-7001'");
          await page.click('[data-tab="overview"]');
          await pause(500);
          await shot("instance");
        }
        await page.evaluate("location.hash = '#mesh'");
        await pause(1200);
        await shot("mesh");
        await page.evaluate("location.hash = '#registry'");
        await pause(700);
        await shot("registry");
        await page.evaluate("location.hash = '#services'");
        await page.press("[");
        await pause(1200);
        await shot("past");
        assert.deepEqual(page.faults, []);
        await page.close();
      }
    }
  }
  console.log(`✔ pictures in ${folder}`);
}
