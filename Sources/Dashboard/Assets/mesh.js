// Who calls whom, as the sidecars tell that are asked: a picture, and a line an upstream.

import { $, count, dash, duration, h, milliseconds, percent, rate, setText, svg, syncRows } from "./format.js";
import { judge, judgeEdge, registryNow, routable, security, store, total } from "./store.js";
import { breakerText } from "./services.js";

/** Of more than these the busiest are drawn. */
const MOST_NODES = 60;
const NODE = { width: 168, height: 40, gapX: 96, gapY: 14 };
const LEVEL = ["fine", "warn", "bad"];

let openService = () => {};
let picture;
let table;
let sidecars;
let note;
let more;
let drawn = "";

export function setUpMesh(open) {
  openService = open;
  note = h("p.empty", {});
  picture = h("div.picture", {});
  table = h("tbody", {});
  sidecars = h("tbody", {});
  more = h("p.dim", {});
  $("view-mesh").append(
    note,
    h("section.card", {}, h("h2", {}, "Topology"), legend(), picture),
    h("section.card", {}, h("h2", {}, "Upstreams"), h("div.scroll", {}, h("table", {}, headOf(["", "Caller", "Upstream", "Security", "Usable", "Req/s", "Success", "p50", "p99", "Retried", "Breaker"]), table))),
    h("section.card", {}, h("h2", {}, "Sidecars"), h("div.scroll", {}, h("table", {}, headOf(["", "Instance", "Where", "Health", "Registry", "View", "In flight", "Connections", "Certificate", "Up", "Version"]), sidecars)), more),
  );
}

const NUMBERS = new Set(["Usable", "Req/s", "Success", "p50", "p99", "Retried", "In flight", "Connections", "View", "Up"]);
const headOf = (names) => h("thead", {}, h("tr", {}, names.map((name) => h(`th${NUMBERS.has(name) ? ".num" : ""}`, { scope: "col" }, name))));

function legend() {
  return h("p.legend", {},
    h("span", {}, h("i.key.fine", {}), "succeeds"), h("span", {}, h("i.key.warn", {}), "retried or partly out"),
    h("span", {}, h("i.key.bad", {}), "failing"), h("span", {}, h("i.key.idle", {}), "no calls in the last 10 s"),
    h("span", {}, svg("svg", { viewBox: "0 0 10 11", width: 10, height: 11, class: "lock", "aria-hidden": "true" }, lock()), " mutual TLS"), h("span", {}, "dashed: not mutual TLS"));
}

/** A padlock of 10 × 11. */
const lock = () => svg("path", { d: "M1.5 5h7v5.5h-7zM3 5V3.2a2 2 0 0 1 4 0V5" });

/** Edges between services: those of several sidecars of one service are one. */
function merged() {
  const edges = new Map();
  for (const edge of store.edges) {
    const key = `${edge.f} ${edge.t}`;
    const verdict = judgeEdge(edge);
    const found = edges.get(key);
    if (!found) {
      edges.set(key, { from: edge.f, to: edge.t, rate: edge.r, level: verdict.level, reasons: new Set(verdict.reasons) });
      continue;
    }
    if (edge.r !== undefined) found.rate = (found.rate ?? 0) + edge.r;
    found.level = Math.max(found.level, verdict.level);
    for (const reason of verdict.reasons) found.reasons.add(reason);
  }
  return [...edges.values()];
}

export function paintMesh() {
  const edges = merged();
  const isEmpty = store.sidecars.length === 0;
  note.hidden = !isEmpty;
  setText(note, store.past ? "Calls are not on record in the registry's log: only the present is shown here." : !store.registry ? "Waiting for the dashboard." : "No sidecar of yours runs on this machine, so nobody tells of calls. In a service's folder: hms-mesh dev. Those elsewhere, for operators: hms-mesh dashboard --remote");
  const hasNothing = isEmpty && store.silent.length === 0;
  for (const card of $("view-mesh").querySelectorAll(".card")) card.hidden = hasNothing || Boolean(store.past);
  if (store.past) note.hidden = false;
  if (hasNothing || store.past) return;
  draw(edges);
  paintUpstreams();
  paintSidecars();
}

// MARK: The picture

/** Callers stand left of what they call, as far as there are no circles. */
function columnsOf(names, edges) {
  const column = new Map(names.map((name) => [name, 0]));
  // Longest paths; a circle ends after as many rounds as there are names.
  for (let round = 0; round < Math.min(names.length, 12); round++) {
    let moved = false;
    for (const { from, to } of edges) {
      if (from === to || column.get(to) > column.get(from)) continue;
      if (column.get(from) + 1 > 8) continue;
      column.set(to, column.get(from) + 1);
      moved = true;
    }
    if (!moved) break;
  }
  const columns = [];
  for (const name of names) (columns[column.get(name)] ??= []).push(name);
  return columns.filter(Boolean);
}

/** Fewer crossings: each name at the middle of those that call it. */
function order(columns, edges) {
  const place = new Map();
  columns.forEach((names, index) => {
    if (index === 0) names.sort();
    else {
      const middle = (name) => {
        const callers = edges.filter((edge) => edge.to === name && place.has(edge.from)).map((edge) => place.get(edge.from));
        return callers.length ? callers.reduce((sum, value) => sum + value, 0) / callers.length : Infinity;
      };
      const middles = new Map(names.map((name) => [name, middle(name)]));
      names.sort((a, b) => middles.get(a) - middles.get(b) || (a < b ? -1 : 1));
    }
    names.forEach((name, row) => place.set(name, row / Math.max(1, names.length)));
  });
}

function draw(all) {
  const busy = new Map();
  for (const edge of all) for (const name of [edge.from, edge.to]) busy.set(name, (busy.get(name) ?? 0) + (edge.rate ?? 0) + edge.level * 1e6);
  for (const sidecar of store.sidecars) if (!busy.has(sidecar.n)) busy.set(sidecar.n, -1);
  const names = [...busy.keys()].sort((a, b) => busy.get(b) - busy.get(a) || (a < b ? -1 : 1)).slice(0, MOST_NODES);
  const kept = new Set(names);
  const edges = all.filter((edge) => kept.has(edge.from) && kept.has(edge.to));
  const isNarrow = picture.clientWidth < 640;
  const state = JSON.stringify([isNarrow, edges.map((edge) => [edge.from, edge.to, rate(edge.rate), edge.level, security(edge.to).text]), names.map((name) => nodeState(name)), busy.size]);
  if (state === drawn) return;
  drawn = state;
  const columns = columnsOf(names.sort(), edges);
  order(columns, edges);
  const { places, width, height } = isNarrow ? stacked(columns) : sideBySide(columns);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${names.length} services and ${edges.length} calls between them` },
    edges.map((edge) => edgeOf(edge, places, isNarrow)), names.map((name) => nodeOf(name, places.get(name))));
  root.style.maxWidth = `${width}px`;
  picture.replaceChildren(root);
  if (busy.size > names.length) picture.append(h("p.dim", {}, `The ${names.length} busiest of ${count(busy.size)} services; all are in the table below.`));
}

/** Callers left, callees right. */
function sideBySide(columns) {
  const tallest = Math.max(...columns.map((column) => column.length));
  const height = tallest * (NODE.height + NODE.gapY) + 24;
  const places = new Map();
  columns.forEach((column, x) => {
    const top = (height - column.length * (NODE.height + NODE.gapY) + NODE.gapY) / 2;
    column.forEach((name, y) => places.set(name, { x: 12 + x * (NODE.width + NODE.gapX), y: top + y * (NODE.height + NODE.gapY) }));
  });
  return { places, width: columns.length * (NODE.width + NODE.gapX) - NODE.gapX + 24, height };
}

/** Callers above, callees below, two in a row: for a page that is taller than wide. */
function stacked(columns) {
  const places = new Map();
  let y = 8;
  for (const column of columns) {
    column.forEach((name, index) => {
      const isAlone = index === column.length - 1 && index % 2 === 0;
      places.set(name, { x: isAlone ? NODE.width / 2 + 12 : (index % 2) * (NODE.width + 16) + 4, y: y + Math.floor(index / 2) * (NODE.height + NODE.gapY) });
    });
    y += Math.ceil(column.length / 2) * (NODE.height + NODE.gapY) + 34;
  }
  return { places, width: 2 * NODE.width + 24, height: y - 24 };
}

function nodeState(name) {
  const row = store.rows.get(name);
  const { level, reasons } = row ? judge(row, store.traffic.get(name)) : { level: 1, reasons: ["not registered"] };
  return { level, text: row ? `${routable(row)}/${total(row)}` : "not registered", reason: reasons[0] ?? "", rate: store.traffic.get(name)?.r };
}

function nodeOf(name, place) {
  const state = nodeState(name);
  const open = () => openService(name);
  const short = name.length > 21 ? name.slice(0, 20) + "…" : name;
  return svg("g", { class: `node ${LEVEL[state.level]}`, transform: `translate(${place.x} ${place.y})`, tabindex: 0, role: "button", "aria-label": `${name}, ${state.text}`, onclick: open, onkeydown: (event) => event.key === "Enter" && open() },
    svg("title", {}, `${name}${state.reason ? ` · ${state.reason}` : ""}`),
    svg("rect", { width: NODE.width, height: NODE.height, rx: 7 }),
    svg("rect", { class: "mark", width: 4, height: NODE.height - 14, x: 7, y: 7, rx: 2 }),
    svg("text", { x: 18, y: 17 }, short),
    svg("text", { x: 18, y: 32, class: "sub" }, state.reason ? `${state.text} · ${state.reason}`.slice(0, 27) : `${state.text}${state.rate === undefined ? "" : ` · ${rate(state.rate)}/s`}`));
}

/** Where an edge begins and ends, its curve and the middle of it, where those that meet at one end are apart. */
function curve(a, b, isSelf, isNarrow) {
  const [middleA, middleB] = [a.x + NODE.width / 2, b.x + NODE.width / 2];
  if (isSelf) {
    const [x, y] = [a.x + NODE.width, a.y + NODE.height / 2];
    return { path: `M${x} ${y - 6}C${x + 50} ${y - 40} ${x + 50} ${y + 40} ${x} ${y + 6}`, end: { x, y: y + 6 }, at: { x: x + 38, y } };
  }
  if (isNarrow ? b.y > a.y : b.x > a.x) {
    const from = isNarrow ? { x: middleA, y: a.y + NODE.height } : { x: a.x + NODE.width, y: a.y + NODE.height / 2 };
    const end = isNarrow ? { x: middleB, y: b.y } : { x: b.x, y: b.y + NODE.height / 2 };
    const bend = isNarrow ? Math.max(16, (end.y - from.y) / 2) : Math.max(40, (end.x - from.x) / 2);
    const path = isNarrow ? `M${from.x} ${from.y}C${from.x} ${from.y + bend} ${end.x} ${end.y - bend} ${end.x} ${end.y}` : `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${end.x - bend} ${end.y} ${end.x} ${end.y}`;
    return { path, end, at: { x: (from.x + end.x) / 2, y: (from.y + end.y) / 2 } };
  }
  return { path: `M${middleA} ${a.y}C${a.x} ${a.y - 60} ${b.x + NODE.width} ${b.y - 60} ${middleB} ${b.y}`, end: { x: middleB, y: b.y }, at: { x: (middleA + middleB) / 2, y: (a.y + b.y) / 2 - 45 } };
}

function edgeOf(edge, places, isNarrow) {
  const secured = security(edge.to);
  const { path, end, at } = curve(places.get(edge.from), places.get(edge.to), edge.from === edge.to, isNarrow);
  const kind = edge.rate ? LEVEL[edge.level] : edge.level === 2 ? "bad" : "idle";
  // Where there is no room for figures the lock stands at the end.
  const text = edge.rate && !isNarrow ? `${rate(edge.rate)}/s` : "";
  const mark = isNarrow ? { x: end.x + 6, y: end.y - 15 } : { x: at.x - text.length * 3 - 9, y: at.y - 5.5 };
  return svg("g", { class: `edge ${kind}${secured.isKnown && !secured.isMutual ? " open" : ""}` },
    svg("title", {}, `${edge.from} → ${edge.to} · ${secured.text} · ${rate(edge.rate)}/s${edge.reasons.size ? ` · ${[...edge.reasons].join(", ")}` : ""}`),
    svg("path", { d: path, "stroke-width": (1.2 + Math.min(3, Math.log10(1 + (edge.rate ?? 0)))).toFixed(1) }),
    svg("circle", { cx: end.x, cy: end.y, r: 3 }),
    secured.isMutual && svg("g", { class: "lock", transform: `translate(${mark.x.toFixed(1)} ${mark.y.toFixed(1)})` }, lock()),
    svg("text", { x: at.x + 2, y: at.y + 3.5, "text-anchor": "middle" }, text));
}

// MARK: Tables

const num = (text, kind = "") => ({ text, kind: `num ${kind}` });

function paintUpstreams() {
  const edges = store.edges.map((edge) => ({ edge, ...judgeEdge(edge) })).sort((a, b) => b.level - a.level || (b.edge.r ?? 0) - (a.edge.r ?? 0) || (a.edge.f + a.edge.t < b.edge.f + b.edge.t ? -1 : 1));
  syncRows(table, edges, ({ edge }) => `${edge.f}/${edge.i} ${edge.t}`, ({ edge, level, reasons }) => {
    const secured = security(edge.t);
    const breaker = edge.open !== undefined ? { text: `open ${duration(edge.open)}`, kind: "bad" } : breakerText({ ej: edge.ej ?? [] });
    const ejected = (edge.ej ?? []).map((one) => `${one.id} for ${duration(one.ms)}${one.last ? ` (${one.last})` : ""}`).join(", ");
    return [
      { text: ["✔", "⚠", "✘"][level], kind: `sign ${LEVEL[level]}`, title: reasons.join(", ") || "fine" },
      `${edge.f}/${edge.i}`, { text: edge.t, kind: "strong" },
      { text: secured.text, kind: secured.isMutual ? "fine" : secured.isKnown ? "info" : "" },
      num(`${edge.u}/${edge.a}`, edge.u === 0 ? "bad" : edge.u < edge.a ? "warn" : ""),
      num(rate(edge.r)), num(percent(edge.ok), edge.ok < 0.99 ? "bad" : ""), num(milliseconds(edge.p50)), num(milliseconds(edge.p99)),
      num(percent(edge.rt, 1), edge.rt > 0.1 ? "warn" : ""), { ...breaker, title: ejected },
    ];
  }, ({ edge }) => openService(edge.t));
}

function paintSidecars() {
  const now = registryNow();
  more.hidden = !store.leftOut;
  setText(more, `${count(store.leftOut)} more are not asked: what they tell is in no figure here.`);
  syncRows(sidecars, [...store.silent, ...store.sidecars], (sidecar) => `${sidecar.n}/${sidecar.id}`, (sidecar) => {
    const name = { text: `${sidecar.n}/${sidecar.id}`, kind: "strong" };
    if (sidecar.why) return [{ text: "✘", kind: "sign bad", title: sidecar.why }, name, "elsewhere", { text: "does not answer", kind: "bad", title: sidecar.why }, { text: sidecar.why, kind: "why", title: sidecar.why }, ...Array(6).fill(num(dash))];
    const level = !sidecar.up || sidecar.renewal ? 1 : sidecar.h === "healthy" ? 0 : 1;
    const left = sidecar.cert ? Date.parse(sidecar.cert) - now : undefined;
    return [
      { text: ["✔", "⚠"][level], kind: `sign ${LEVEL[level]}` },
      name, sidecar.remote ? "elsewhere" : "here", { text: sidecar.h, kind: sidecar.h === "healthy" ? "fine" : "warn" },
      sidecar.up ? "connected" : { text: "unreachable", kind: "bad" }, num(count(sidecar.seq)), num(count(sidecar.fl)), num(count(sidecar.conn)),
      left === undefined ? dash : left > 0 ? { text: `${duration(left)} left`, kind: sidecar.renewal ? "warn" : "", title: sidecar.renewal ?? "" } : { text: "ended", kind: "bad" },
      num(duration(now - Date.parse(sidecar.since))), sidecar.v,
    ];
  }, (sidecar) => openService(sidecar.n, sidecar.id));
}
