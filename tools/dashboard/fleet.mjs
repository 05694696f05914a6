// A registry with as many services as are wanted, sidecars with something to do, and a dashboard: all real, in a folder of
// their own, on ports of their own.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function eventually(what, test, limit = 30_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const found = await test();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${limit / 1000}s for ${what}`);
    await pause(25);
  }
}

export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A request; `to` is `{ socketPath }` or `{ host, port }`. */
export function request(to, method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const question = http.request({ ...to, method, path, headers: { host: "registry", ...headers } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece)).on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    question.on("error", reject).end(body);
  });
}

export class Fleet {
  #started = [];
  #servers = [];

  constructor(bin) {
    this.bin = bin;
    this.directory = mkdtempSync(join(tmpdir(), "hms-dash-"));
    this.data = join(this.directory, "data");
    this.socket = join(this.data, "regd.sock");
    this.environment = { ...process.env, XDG_RUNTIME_DIR: join(this.directory, "run"), XDG_STATE_HOME: join(this.directory, "state"), NO_COLOR: "1" };
    for (const name of ["HMS_REGISTRY", "HMS_MESH_ADDR", "HMS_TOKEN", "DISPLAY", "WAYLAND_DISPLAY"]) delete this.environment[name];
    mkdirSync(this.environment.XDG_RUNTIME_DIR, { recursive: true });
  }

  run(program, args, label) {
    const child = spawn(join(this.bin, program), args, { cwd: this.directory, env: this.environment, stdio: ["ignore", "pipe", "pipe"] });
    child.words = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (child.words = (child.words + text).slice(-20_000)));
    child.label = label;
    this.#started.push(child);
    return child;
  }

  async startRegistry() {
    this.registry = this.run("hms-regd", ["--data", this.data, "--socket", "none", "--listen", "none", "--reserve", "0"], "registry");
    const { registry } = this;
    registry.on("exit", (code, signal) => {
      if (signal !== "SIGKILL" && !this.isStopping) console.error(`the registry has ended: ${code ?? signal}\n${registry.words}`);
    });
    await eventually("the registry", () => this.registry.words.includes("HMS-REG ready") || (this.registry.exitCode !== null && Promise.reject(new Error(this.registry.words))));
  }

  async startDashboard(...args) {
    this.dashboard = this.run("hms-mesh", ["dashboard", "--registry", `unix:${this.socket}`, "--listen", "127.0.0.1:0", "--no-open", ...args], "dashboard");
    this.url = await eventually("the dashboard", () => this.dashboard.words.match(/Dashboard on (http:\S+)/)?.[1] ?? (this.dashboard.exitCode !== null && Promise.reject(new Error(this.dashboard.words))));
    return this.url;
  }

  ask(method, path, document) {
    return request({ socketPath: this.socket }, method, path, document === undefined ? undefined : JSON.stringify(document));
  }

  /** Registers so many services; most are well, a few are not, as in a real fleet. */
  async fill(services, instances = 3) {
    const areas = ["passport", "visa", "licence", "permit", "benefit", "census", "customs", "payroll", "archive", "identity"];
    const parts = ["intake", "check", "queue", "ledger", "notify", "search", "store", "gateway", "audit", "report"];
    let batch = [];
    for (let index = 0; index < services; index++) {
      const name = `${areas[index % 10]}-${parts[Math.floor(index / 10) % 10]}${index >= 100 ? `-${Math.floor(index / 100)}` : ""}`;
      for (let copy = 0; copy < instances; copy++) {
        const status = index % 97 === 13 ? "unhealthy" : index % 41 === 7 && copy === 0 ? "degraded" : index % 53 === 11 && copy === 1 ? "unhealthy" : index % 67 === 5 && copy === 2 ? "draining" : "healthy";
        batch.push({ service: name, id: `ws${10 + (index % 80)}-${7000 + copy}`, ip: `10.1.${index % 250}.${copy + 1}`, port: 17000 + copy, version: `${1 + (index % 4)}.${index % 10}.${copy === 2 && index % 5 === 0 ? 1 : 0}`, zone: "abc"[copy % 3], ttlMs: null, status: status === "draining" ? "healthy" : status });
      }
      if (batch.length >= 900 || index === services - 1) {
        const answer = await this.ask("POST", "/v1/instances", batch);
        if (answer.status >= 300) throw new Error(answer.text);
        batch = [];
      }
    }
  }

  /** An application of so many instances: answers by `serve`; each with its sidecar. */
  async service(name, id, serve, mesh = []) {
    const server = http.createServer(serve);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#servers.push(server);
    const home = join(this.directory, `${name}-${id}`);
    mkdirSync(home, { recursive: true });
    const inbound = await freePort();
    const { port } = server.address();
    writeFileSync(join(home, "hms.yml"), ["service:", `  name: ${name}`, "  version: 1.0.0", `  port: ${port}`, "mesh:", `  inbound: 127.0.0.1:${inbound}`, ...mesh.map((line) => "  " + line), ""].join("\n"));
    const sidecar = this.run("hms-mesh", ["run", "--registry", `unix:${this.socket}`, "--file", join(home, "hms.yml"), "--outbound", "127.0.0.1:0", "--id", id], `${name}/${id}`);
    const file = join(home, ".hms", `${name}-${port}`, "sidecar.json");
    const { outbound } = await eventually(`the sidecar of ${name}`, () => {
      if (sidecar.exitCode !== null) throw new Error(sidecar.words);
      try {
        return JSON.parse(readFileSync(file, "utf8"));
      } catch {
        return null;
      }
    });
    await eventually(`${name}/${id} to be routable`, async () => (await this.ask("GET", `/v1/services/${name}`)).text.includes(`"id":"${id}"`));
    const [host, outboundPort] = outbound.split(":");
    return { server, sidecar, outbound, call: (to, path = "/", method = "GET", body) => request({ host, port: Number(outboundPort) }, method, path, body, { host: to }) };
  }

  async stop() {
    this.isStopping = true;
    for (const server of this.#servers) server.closeAllConnections?.(), server.close();
    for (const child of this.#started.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill(child === this.registry ? "SIGTERM" : "SIGKILL");
      await Promise.race([ended, pause(5000)]);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
