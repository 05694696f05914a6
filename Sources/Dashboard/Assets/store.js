// What is known, as it came by /api/stream; and what is failing, as a function of that.

import { dash } from "./format.js";

export const HEALTH = ["starting", "healthy", "degraded", "unhealthy", "draining"];
const FEED = 200;
const PULSE = 60;
const SAMPLES = 300;

export const store = {
  /** Rows by name, as the server sends them. */
  rows: new Map(),
  /** Traffic by service; none where no sidecar told. */
  traffic: new Map(),
  edges: [],
  sidecars: [],
  /** Sidecars elsewhere that do not answer, and why. */
  silent: [],
  /** Sidecars beside these that are not asked. */
  leftOut: 0,
  pulse: new Map(),
  feed: [],
  registry: null,
  samples: [],
  /** Whether the server answers. */
  isConnected: false,
  /** The past that is shown instead: `{ at, sequence, rows }`. */
  past: null,
  /** Milliseconds that the registry's clock is before this one. */
  clockOffset: 0,
};

const listeners = new Set();

/** Calls back once a frame with what changed: `{ rows: Set of names or null for all, traffic, registry, feed, link }`. */
export function subscribe(listener) {
  listeners.add(listener);
}

let pending = null;

export function announce(change) {
  if (!pending) {
    pending = { rows: new Set(), traffic: false, registry: false, feed: false, link: false, past: false };
    requestAnimationFrame(deliver);
  }
  if (change.rows === null) pending.rows = null;
  else if (change.rows && pending.rows) for (const name of change.rows) pending.rows.add(name);
  for (const key of ["traffic", "registry", "feed", "link", "past"]) pending[key] ||= Boolean(change[key]);
}

function deliver() {
  const change = pending;
  pending = null;
  for (const listener of listeners) listener(change);
}

// A page in the background gets no frames: what came meanwhile is shown when it is looked at again.

export function connect() {
  const source = new EventSource("/api/stream");
  source.addEventListener("message", (event) => take(JSON.parse(event.data)));
  source.addEventListener("open", () => setConnected(true));
  source.addEventListener("error", () => {
    setConnected(false);
    // A browser gives up for good where the server answered with an error.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

function setConnected(isConnected) {
  store.isConnected = isConnected;
  announce({ link: true });
}

function take(news) {
  const change = { rows: [] };
  if (news.whole) {
    store.rows.clear();
    store.feed = [];
    store.samples = [];
    change.rows = null;
  }
  for (const row of news.rows ?? []) {
    // A new name moves the others: all is laid out anew.
    if (!store.rows.has(row.n)) change.rows = null;
    store.rows.set(row.n, row);
    change.rows?.push(row.n);
  }
  for (const name of news.gone ?? []) {
    store.rows.delete(name);
    change.rows = null;
  }
  if (news.feed) {
    store.feed = [...news.feed.reverse(), ...store.feed].slice(0, FEED);
    change.feed = true;
  }
  if (news.pulse) store.pulse = new Map(Object.entries(news.pulse));
  if (news.traffic) {
    takeTraffic(news.traffic, !news.pulse);
    change.traffic = true;
  }
  if (news.registry) {
    const { samples, ...registry } = news.registry;
    store.registry = registry;
    if (news.whole) store.samples = samples;
    else if (samples.length && samples[0][0] !== store.samples.at(-1)?.[0]) store.samples = [...store.samples, ...samples].slice(-SAMPLES);
    const time = Date.parse(registry.status?.time);
    if (Number.isFinite(time)) store.clockOffset = Date.now() - time;
    change.registry = true;
  }
  announce(change);
}

function takeTraffic(traffic, drawsPulse) {
  store.traffic = new Map(traffic.services.map((service) => [service.n, service]));
  store.edges = traffic.edges;
  store.sidecars = traffic.sidecars;
  store.silent = traffic.silent ?? [];
  store.leftOut = traffic.leftOut ?? 0;
  if (!drawsPulse) return;
  const next = new Map();
  for (const [name, service] of store.traffic) {
    if (service.by === "callers" && service.r !== undefined) next.set(name, [...(store.pulse.get(name) ?? []), service.r].slice(-PULSE));
  }
  store.pulse = next;
}

/** The registry's clock, now. */
export const registryNow = () => Date.now() - store.clockOffset;

/** The rows that are shown: of now, or of the past. */
export const shownRows = () => store.past?.rows ?? store.rows;

/** Traffic is of now alone. */
export const shownTraffic = (name) => (store.past ? undefined : store.traffic.get(name));

export const total = (row) => row.s.reduce((sum, value) => sum + value, 0);
export const routable = (row) => row.s[1] + row.s[2];

/** How calls to a service are secured, as sidecars decide it: by whether it is external. */
export function security(name) {
  const row = store.rows.get(name);
  if (!row) return { text: dash, isMutual: false, isKnown: false };
  if (!row.x) return { text: "mTLS", isMutual: true, isKnown: true };
  return { text: row.x.startsWith("https:") ? "TLS" : "plain", isMutual: false, isKnown: true };
}
/** Success below this is failing. */
const GOOD = 0.99;

export const LEVELS = { 2: "failing", 1: "warning", 0: "fine" };

/** How bad a service is: 2 failing, 1 to be looked at, 0 fine; and why. */
export function judge(row, traffic) {
  const reasons = [];
  let level = 0;
  const add = (severity, text) => {
    level = Math.max(level, severity);
    reasons.push(text);
  };
  const all = total(row);
  if (all > 0 && routable(row) === 0 && row.s[3] > 0) add(2, row.x ? "unreachable" : "no routable instance");
  else if (row.s[3] > 0) add(1, `${row.s[3]} unhealthy`);
  if (row.s[2] > 0) add(1, `${row.s[2]} degraded`);
  if (traffic?.open !== undefined) add(2, "breaker open");
  if (traffic?.ej > 0) add(1, `${traffic.ej} ejected`);
  if (traffic?.ok !== undefined && traffic.ok < GOOD) add(2, `${((1 - traffic.ok) * 100).toFixed(1)}% of calls fail`);
  else if (traffic?.rt > 0.1) add(1, `${(traffic.rt * 100).toFixed(0)}% retried`);
  return { level, reasons };
}

/** How bad a caller's view of an upstream is, as of a service. */
export function judgeEdge(edge) {
  const reasons = [];
  let level = 0;
  const add = (severity, text) => {
    level = Math.max(level, severity);
    reasons.push(text);
  };
  if (edge.k === false) add(2, "not registered");
  else if (edge.u === 0) add(2, edge.a === 0 ? "no instances" : `none of ${edge.a} usable`);
  if (edge.open !== undefined) add(2, "breaker open");
  if (edge.ok !== undefined && edge.ok < GOOD) add(2, `${((1 - edge.ok) * 100).toFixed(1)}% fail`);
  if (edge.ej) add(1, `${edge.ej.length} ejected`);
  else if (edge.u > 0 && edge.u < edge.a) add(1, `${edge.u} of ${edge.a} usable`);
  if (edge.ok >= GOOD && edge.rt > 0.1) add(1, `${(edge.rt * 100).toFixed(0)}% retried`);
  return { level, reasons };
}

/** All that is failing now, the worst first: `{ level, title, text, service?, instance? }`. */
export function failures() {
  const found = [];
  const registry = store.registry;
  const status = registry?.status;
  if (!store.isConnected) found.push({ level: 2, title: "dashboard", text: "does not answer; what is shown is of before" });
  if (registry && !registry.watching && registry.failure) found.push({ level: 2, title: "registry", text: registry.failure });
  if (status?.guard?.active) found.push({ level: 2, title: "guard", text: status.guard.why || "holds expiries back" });
  if (status?.diskFull) found.push({ level: 2, title: "registry", text: "disk full: registrations are refused" });
  const upstreams = new Map();
  for (const edge of store.edges) {
    const { level, reasons } = judgeEdge(edge);
    if (level < 2) continue;
    const entry = upstreams.get(edge.t) ?? { callers: new Set(), reasons: new Set() };
    entry.callers.add(edge.f);
    for (const reason of reasons) entry.reasons.add(reason);
    upstreams.set(edge.t, entry);
  }
  for (const [name, entry] of upstreams) {
    found.push({ level: 2, title: name, text: `${[...entry.reasons].slice(0, 2).join(", ")} · for ${[...entry.callers].slice(0, 3).join(", ")}${entry.callers.size > 3 ? " …" : ""}`, service: name });
  }
  for (const row of store.rows.values()) {
    if (upstreams.has(row.n)) continue;
    const { level, reasons } = judge(row, store.traffic.get(row.n));
    if (level === 2) found.push({ level, title: row.n, text: reasons.join(", "), service: row.n });
  }
  for (const sidecar of store.sidecars) {
    if (!sidecar.up) found.push({ level: 1, title: `${sidecar.n}/${sidecar.id}`, text: "sidecar has lost the registry; routes go on from the last view", service: sidecar.n });
  }
  for (const sidecar of store.silent) found.push({ level: 1, title: `${sidecar.n}/${sidecar.id}`, text: `its sidecar does not answer: ${sidecar.why}`, service: sidecar.n });
  return found;
}
