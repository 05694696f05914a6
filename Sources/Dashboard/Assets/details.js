// One service, or one instance of it: what it is, what befell it, and what it is asked live.

import { $, ago, clock, count, dash, duration, h, milliseconds, moment, percent, rate, setText, syncRows } from "./format.js";
import { HEALTH, judge, judgeEdge, registryNow, security, shownRows, shownTraffic, store, total } from "./store.js";

const MOST_LINES = 200;
const LEVEL = ["fine", "warn", "bad"];

/** What is open: `{ service, instance, tab }`, or null. */
let open = null;
let documentOf = null;
let tail = null;
let onClosed = () => {};
const parts = {};

export function setUpDetails(closed) {
  onClosed = closed;
  const panel = $("details");
  parts.title = h("h2", { tabindex: -1 });
  parts.crumb = h("button.crumb", { hidden: true, onclick: () => openDetails(open.service) });
  parts.verdict = h("p.verdict", {});
  parts.tabs = h("div.chips", { role: "tablist", "aria-label": "Details" }, [["overview", "Overview"], ["history", "History"], ["requests", "Requests"]].map(([key, label]) => h("button.chip", { role: "tab", "data-tab": key, onclick: () => showTab(key) }, label)));
  parts.body = h("div.panel-body", {});
  panel.append(h("header", {}, h("div", {}, parts.crumb, parts.title), h("button.icon", { title: "Close (Esc)", "aria-label": "Close", onclick: closeDetails }, "✕")), parts.verdict, parts.tabs, parts.body);
}

export const opened = () => open;

export function openDetails(service, instance) {
  const isSame = open && open.service === service && open.instance === instance;
  if (isSame) return;
  const wasClosed = !open;
  open = { service, instance, tab: open?.tab ?? "overview" };
  documentOf = null;
  $("details").hidden = false;
  setText(parts.title, instance ?? service);
  parts.crumb.hidden = !instance;
  setText(parts.crumb, `‹ ${service}`);
  showTab(open.tab);
  if (wasClosed) parts.title.focus({ preventScroll: true });
  onClosed();
}

export function closeDetails() {
  if (!open) return;
  open = null;
  endTail();
  $("details").hidden = true;
  $("grid").focus({ preventScroll: true });
  onClosed();
}

/** Something changed: of this service, or of all. */
export function updateDetails(change) {
  if (!open) return;
  paintVerdict();
  if (change.past || change.rows === null || change.rows?.has(open.service)) load();
  else if (change.traffic && open.tab === "overview") paintOverview();
  if (change.past && open.tab === "history") showTab("history");
}

function showTab(tab) {
  endTail();
  open.tab = tab;
  $("details").classList.toggle("wide", tab !== "overview");
  for (const button of parts.tabs.children) button.setAttribute("aria-selected", button.dataset.tab === tab);
  paintVerdict();
  parts.body.replaceChildren();
  if (tab === "overview") load();
  if (tab === "history") loadHistory();
  if (tab === "requests") beginTail();
}

function paintVerdict() {
  const row = shownRows().get(open.service);
  const instance = open.instance && documentOf?.instances.find((one) => one.id === open.instance);
  let level = 2;
  let text = store.past ? "was not registered then" : "not registered";
  if (row) {
    const verdict = judge(row, shownTraffic(open.service));
    [level, text] = [verdict.level, verdict.reasons.join(", ") || (total(row) ? "fine" : "registered, without instances")];
  }
  if (open.instance && documentOf) {
    [level, text] = instance ? [instance.status === "healthy" ? 0 : instance.status === "unhealthy" ? 2 : 1, `${instance.status} · ${instance.cause}${instance.detail ? ` · ${instance.detail}` : ""}`] : [2, store.past ? "was not registered then" : "no longer registered"];
  }
  parts.verdict.className = `verdict ${LEVEL[level]}`;
  setText(parts.verdict, `${["✔", "⚠", "✘"][level]} ${text}${store.past ? ` · as of ${moment(store.past.at)}` : ""}`);
}

// MARK: Overview

let loading = false;
let again = false;

/** One question at a time; what changed meanwhile is asked for once more. */
async function load() {
  if (loading) return (again = true);
  loading = true;
  const { service } = open;
  try {
    const answer = await fetch(`/api/service/${encodeURIComponent(service)}${store.past ? `?at=${encodeURIComponent(new Date(store.past.at).toISOString())}` : ""}`);
    const found = await answer.json();
    if (open?.service === service) documentOf = answer.ok ? found : { service, instances: [], error: found.error };
  } catch {
    // The link says that nobody answers.
  }
  loading = false;
  if (open) {
    paintVerdict();
    if (open.tab === "overview") paintOverview();
  }
  if (again) {
    again = false;
    if (open) load();
  }
}

function paintOverview() {
  if (!documentOf || documentOf.service !== open.service) return;
  if (open.instance) return paintInstance();
  if (parts.body.firstChild?.dataset?.of !== `service ${open.service}`) layOutService();
  const row = shownRows().get(open.service);
  const traffic = shownTraffic(open.service);
  paintFacts(parts.facts, [
    ["Instances", row ? HEALTH.map((name, index) => (row.s[index] ? `${row.s[index]} ${name}` : "")).filter(Boolean).join(", ") || "none" : "none"],
    ["Calls", traffic?.r !== undefined ? `${rate(traffic.r)}/s · ${percent(traffic.ok)} succeed · p50 ${milliseconds(traffic.p50)} · p99 ${milliseconds(traffic.p99)} · ${percent(traffic.rt, 1)} retried` : store.past ? "not on record" : "no sidecar here tells"],
    ["Security", store.past ? dash : security(open.service).text],
    ["External", row?.x],
    ["Policy", documentOf.policy && Object.entries(documentOf.policy).map(([key, value]) => `${key} ${key.endsWith("Ms") ? duration(value) : value}`).join(", ")],
    ["Changed", row?.c ? `${moment(row.c)} (${ago(row.c, store.past?.at ?? registryNow())})` : undefined],
  ]);
  const now = store.past?.at ?? registryNow();
  parts.instances.parentElement.hidden = documentOf.instances.length === 0;
  syncRows(parts.instances, documentOf.instances, (one) => one.id, (one) => [
    { text: one.id, kind: "strong" }, { text: one.status, kind: `health ${one.status}`, title: one.detail ?? "" }, one.cause, `${one.ip}:${one.port}`, one.version || dash, one.zone ?? dash, { text: ago(Date.parse(one.since), now), kind: "num" },
  ], (one) => openDetails(open.service, one.id));
  const edges = store.past ? [] : store.edges.filter((edge) => edge.f === open.service || edge.t === open.service);
  parts.calls.hidden = edges.length === 0;
  syncRows(parts.edges, edges, (edge) => `${edge.f}/${edge.i} ${edge.t}`, (edge) => {
    const { level, reasons } = judgeEdge(edge);
    return [
      { text: ["✔", "⚠", "✘"][level], kind: `sign ${LEVEL[level]}` },
      edge.f === open.service ? `→ ${edge.t}` : `← ${edge.f}/${edge.i}`, security(edge.t).text,
      { text: `${edge.u}/${edge.a}`, kind: "num" }, { text: rate(edge.r), kind: "num" }, { text: percent(edge.ok), kind: "num" }, { text: milliseconds(edge.p99), kind: "num" }, reasons.join(", ") || "fine",
    ];
  }, (edge) => openDetails(edge.f === open.service ? edge.t : edge.f));
}

function layOutService() {
  parts.facts = h("dl.facts", {});
  parts.instances = h("tbody", {});
  parts.edges = h("tbody", {});
  const headOf = (names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));
  parts.calls = h("section", {}, h("h3", {}, "Calls"), h("div.scroll", {}, h("table", {}, headOf(["", "With", "Security", "Usable", "Req/s", "Success", "p99", ""]), parts.edges)));
  const root = h("div", { "data-of": `service ${open.service}` }, parts.facts, h("section", {}, h("h3", {}, "Instances"), h("div.scroll", {}, h("table", {}, headOf(["Instance", "Health", "Why", "Address", "Version", "Zone", "Since"]), parts.instances))), parts.calls);
  parts.body.replaceChildren(root);
}

function paintInstance() {
  const one = documentOf.instances.find((candidate) => candidate.id === open.instance);
  const key = `instance ${open.service}/${open.instance}`;
  if (parts.body.firstChild?.dataset?.of !== key) {
    parts.facts = h("dl.facts", {});
    parts.body.replaceChildren(h("div", { "data-of": key }, parts.facts));
    lastBeat = undefined;
    if (!store.past) loadBeat();
  }
  if (!one) return parts.facts.replaceChildren();
  const now = store.past?.at ?? registryNow();
  const sidecar = store.past ? undefined : store.sidecars.find((candidate) => candidate.n === open.service && candidate.id === one.id);
  const silent = store.silent.find((candidate) => candidate.n === open.service && candidate.id === one.id);
  const judged = store.past ? [] : store.edges.filter((edge) => edge.t === open.service).flatMap((edge) => (edge.ej ?? []).filter((left) => left.id === one.id).map((left) => `${edge.f}/${edge.i} for ${duration(left.ms)}${left.last ? ` (${left.last})` : ""}`));
  paintFacts(parts.facts, [
    ["Health", `${one.status} for ${duration(now - Date.parse(one.since))} · ${one.cause}`], ["Detail", one.detail],
    ["Left out by", judged.length ? judged.join(", ") : undefined],
    ["Last beat", lastBeat === undefined ? undefined : `${duration(lastBeat)} ago, when this was opened`],
    ["Address", `${one.ip}:${one.port}`], ["App port", one.appPort], ["External", one.externalUrl], ["Version", one.version || undefined], ["Zone", one.zone],
    ["Weight", one.weight], ["Protocol", one.protocol], ["Lease", one.ttlMs === null ? "never expires" : one.ttlMs ? duration(one.ttlMs) : undefined],
    ["Tags", one.tags?.join(", ")], ["Metadata", one.metadata && Object.entries(one.metadata).map(([name, value]) => `${name}=${value}`).join(", ")],
    ["Repeatable", one.repeatable?.join(", ")], ["Certificate", one.tlsCert], ["Key lineage", one.keyLineage],
    ["Registered", moment(Date.parse(one.registeredAt))], ["Changed at", `sequence ${count(one.sequence)}`], ["Handle", String(one.handle)],
    ["Sidecar", sidecar ? `${sidecar.h} · registry ${sidecar.up ? "connected" : "unreachable"} · view ${count(sidecar.seq)} · ${count(sidecar.fl)} in flight` : store.past ? undefined : silent ? `does not answer: ${silent.why}` : "none that is asked"],
  ]);
}

let lastBeat;
async function loadBeat() {
  const { service, instance } = open;
  try {
    const answer = await fetch(`/api/instance/${encodeURIComponent(service)}/${encodeURIComponent(instance)}`);
    const found = await answer.json();
    if (!answer.ok || open?.instance !== instance) return;
    lastBeat = found.lastBeatMs;
    if (open.tab === "overview") paintOverview();
  } catch {
    // The link says that nobody answers.
  }
}

function paintFacts(list, facts) {
  const shown = facts.filter(([, text]) => text !== undefined && text !== null && text !== "");
  while (list.children.length > shown.length * 2) list.lastChild.remove();
  shown.forEach(([name, text], index) => {
    const term = list.children[index * 2] ?? list.appendChild(h("dt", {}));
    const value = list.children[index * 2 + 1] ?? list.appendChild(h("dd", {}));
    setText(term, name);
    setText(value, String(text));
  });
}

// MARK: History

async function loadHistory() {
  const { service, instance } = open;
  const list = h("tbody", {});
  const note = h("p.dim", {}, "Reading the log …");
  parts.body.replaceChildren(note, h("div.scroll", {}, h("table", {}, h("thead", {}, h("tr", {}, ["Time", "Instance", "What", "Who", "Sequence"].map((name) => h("th", { scope: "col" }, name)))), list)));
  try {
    const answer = await fetch(`/api/history/${encodeURIComponent(service)}${instance ? `/${encodeURIComponent(instance)}` : ""}`);
    const found = await answer.json();
    if (open?.service !== service || open.instance !== instance || open.tab !== "history") return;
    if (!answer.ok) return setText(note, `${found.error}${found.hint ? ` → ${found.hint}` : ""}`);
    const until = store.past?.at ?? Infinity;
    const events = found.events.filter((event) => Date.parse(event.time) <= until).reverse();
    setText(note, `${count(events.length)} events, from the log, the newest first${found.events.length >= 1000 ? "; only the newest thousand are told" : ""}.`);
    list.append(...events.map((event) => h("tr", {},
      h("td", { title: event.time }, moment(Date.parse(event.time))), h("td.strong", {}, event.instance ?? dash),
      h("td", {}, event.text), h("td.dim", {}, event.actor), h("td.num", {}, count(event.sequence)))));
  } catch {
    setText(note, "Nobody answers.");
  }
}

// MARK: Requests

function beginTail() {
  const { service, instance } = open;
  const table = h("table.tail", {}, h("thead", {}, h("tr", {}, ["Time", "Status", "Took", "From", "To", "Security", "Request"].map((name) => h("th", { scope: "col" }, name)))));
  const note = h("p.dim", {}, store.past ? "Requests are live: those of now are shown, not of then." : "Waiting for requests …");
  let seen = 0;
  parts.body.replaceChildren(note, h("div.scroll", {}, table));
  tail = new EventSource(`/api/tail?service=${encodeURIComponent(service)}${instance ? `&instance=${encodeURIComponent(instance)}` : ""}`);
  tail.addEventListener("message", (event) => {
    const { lines, skipped } = JSON.parse(event.data);
    seen += lines.length;
    table.tHead.after(...lines.reverse().slice(0, MOST_LINES).map(requestRows));
    while (table.tBodies.length > MOST_LINES) table.lastChild.remove();
    setText(note, `${count(seen)} requests, the newest first${skipped ? ` · ${count(skipped)} more were left out just now` : ""}`);
  });
  if (store.sidecars.length === 0) setText(note, "No sidecar of yours runs on this machine: there is nobody to tell of requests.");
}

function endTail() {
  tail?.close();
  tail = null;
}

/** A request, and below it the mesh's own error where there was one. */
function requestRows(line) {
  const tries = line.tries ?? [];
  const kind = line.status >= 500 ? "bad" : line.status >= 400 || tries.length > 1 ? "warn" : "fine";
  const path = tries.map((one) => `${one.instance}${one.failed ? ` ${one.failed}` : one.status && one !== tries.at(-1) ? ` ${one.status}` : ""}`).join(" → ");
  return h("tbody", { title: `trace ${line.trace}` }, h("tr", {},
    h("td", {}, `${clock(Date.parse(line.time))}.${line.time.slice(20, 23)}`),
    h(`td.${kind}`, {}, String(line.status)), h("td.num", {}, milliseconds(line.duration_us / 1000)),
    h("td", {}, line.from), h("td", {}, `${line.to}${path ? `/${path}` : ""}`),
    h("td", {}, line.mtls === "on" ? "mTLS" : line.tls === "on" ? "TLS" : "plain"), h("td", {}, `${line.method} ${line.path}`)),
  line.error && h("tr.error", {}, h("td", {}), h("td", { colspan: 6 }, `└ ${line.error}${line.hint ? `: ${line.hint}` : ""}`)));
}
