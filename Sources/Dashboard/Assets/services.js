// The table of services: only the rows that are in sight are in the page, and of those only what changed is painted.

import { $, ago, dash, h, line, milliseconds, percent, rate, setClass, setText, svg, count } from "./format.js";
import { HEALTH, judge, registryNow, routable, shownRows, shownTraffic, store, total } from "./store.js";

const COLUMNS = [
  { key: "state", label: "", title: "State" },
  { key: "name", label: "Service" },
  { key: "health", label: "Instances", title: "Routable of all" },
  { key: "version", label: "Version" },
  { key: "rps", label: "Req/s", number: true, title: "Calls a second over the last 10 s, as this machine's sidecars tell" },
  { key: "trend", label: "Last minute" },
  { key: "ok", label: "Success", number: true, title: "Answered below 500" },
  { key: "p50", label: "p50", number: true },
  { key: "p99", label: "p99", number: true },
  { key: "retries", label: "Retried", number: true, title: "Tries beyond the first, a request" },
  { key: "breaker", label: "Breaker" },
  { key: "changed", label: "Changed", number: true },
];

const FILTERS = [
  ["all", "All", () => true],
  ["failing", "Failing", (row, level) => level === 2],
  ["warning", "To look at", (row, level) => level === 1],
  ["called", "With calls", (row) => shownTraffic(row.n) !== undefined],
  ["external", "External", (row) => Boolean(row.x)],
];

const view = { filter: "all", text: "", found: new Set(), sort: "state", isReversed: false, selected: null, list: [], levels: new Map() };
let openService = () => {};
let body;
let head;
/** Rows in sight by their place, and elements to use again. */
const shown = new Map();
const spare = [];

export function setUpServices(open) {
  openService = open;
  const grid = $("grid");
  head = h("div.row.head", { role: "row" }, COLUMNS.map((column) =>
    h(`div.c.c-${column.key}${column.number ? ".num" : ""}`, { role: "columnheader" },
      column.key === "trend" ? h("span", {}, column.label)
        : h("button", { title: column.title ?? `Sort by ${column.label.toLowerCase()}`, onclick: () => sortBy(column.key), "data-sort": column.key }, column.label || "●"))));
  body = h("div.body", { role: "presentation" });
  grid.append(head, body);
  grid.addEventListener("scroll", paint, { passive: true });
  new ResizeObserver(resize).observe(grid);
  grid.addEventListener("click", (event) => {
    const row = event.target.closest("[data-name]");
    if (row) select(row.dataset.name, true);
  });
  const search = $("search");
  search.addEventListener("input", () => look(search.value));
  $("filters").append(...FILTERS.map(([key, label]) => h("button.chip", { "data-filter": key, "aria-pressed": key === view.filter, onclick: () => setFilter(key) }, label, h("span.n", {}))));
}

/** Sets a filter; once more takes it away, unless it is to stay. */
export function setFilter(key, stays) {
  view.filter = !stays && view.filter === key && key !== "all" ? "all" : key;
  for (const chip of $("filters").children) chip.setAttribute("aria-pressed", chip.dataset.filter === view.filter);
  $("grid").scrollTop = 0;
  layOut();
}

export function clearSearch() {
  $("search").value = "";
  look("");
}

let searching = 0;

/** Names are looked through here, instances by the server, which knows them. */
async function look(text) {
  view.text = text.trim().toLowerCase();
  view.found = new Set();
  $("grid").scrollTop = 0;
  layOut();
  const turn = ++searching;
  if (view.text.length < 2 || store.past) return;
  await new Promise((resume) => setTimeout(resume, 120));
  if (turn !== searching) return;
  try {
    const answer = await fetch(`/api/search?q=${encodeURIComponent(view.text)}`);
    const { names } = await answer.json();
    if (turn !== searching) return;
    view.found = new Set(names);
    layOut();
  } catch {
    // The link says that nobody answers.
  }
}

function sortBy(key) {
  view.isReversed = view.sort === key ? !view.isReversed : false;
  view.sort = key;
  layOut();
}

const orders = {
  // Of those that are not well the ones that are called come first. Not by how much: rows would never stand still.
  state: (a, b) => view.levels.get(b.n) - view.levels.get(a.n) || (view.levels.get(a.n) ? isCalled(b) - isCalled(a) : 0) || byName(a, b),
  name: byName,
  health: (a, b) => total(b) - total(a) || byName(a, b),
  version: (a, b) => (a.v?.[0] ?? "").localeCompare(b.v?.[0] ?? "", "en", { numeric: true }) || byName(a, b),
  rps: by((row) => shownTraffic(row.n)?.r),
  ok: (a, b) => (shownTraffic(a.n)?.ok ?? 2) - (shownTraffic(b.n)?.ok ?? 2) || byName(a, b),
  p50: by((row) => shownTraffic(row.n)?.p50),
  p99: by((row) => shownTraffic(row.n)?.p99),
  retries: by((row) => shownTraffic(row.n)?.rt),
  breaker: by((row) => shownTraffic(row.n)?.open ?? (shownTraffic(row.n)?.ej ? 0 : undefined)),
  changed: by((row) => row.c),
};

const isCalled = (row) => Number(shownTraffic(row.n)?.r > 0);

function byName(a, b) {
  return a.n < b.n ? -1 : a.n > b.n ? 1 : 0;
}

/** The greatest first, those without a figure last. */
function by(value) {
  return (a, b) => (value(b) ?? -1) - (value(a) ?? -1) || byName(a, b);
}

/** Takes all rows anew: after new names, another order, another filter. */
export function layOut() {
  view.levels = new Map();
  const counts = Object.fromEntries(FILTERS.map(([key]) => [key, 0]));
  const list = [];
  const wanted = FILTERS.find(([key]) => key === view.filter)[2];
  for (const row of shownRows().values()) {
    const { level } = judge(row, shownTraffic(row.n));
    view.levels.set(row.n, level);
    for (const [key, , test] of FILTERS) if (test(row, level)) counts[key] += 1;
    if (!wanted(row, level)) continue;
    if (view.text && !row.n.includes(view.text) && !view.found.has(row.n)) continue;
    list.push(row.n);
  }
  const rows = shownRows();
  list.sort((a, b) => orders[view.sort](rows.get(a), rows.get(b)));
  if (view.isReversed) list.reverse();
  view.list = list;
  for (const chip of $("filters").children) setText(chip.lastChild, count(counts[chip.dataset.filter]));
  setText($("count"), list.length === rows.size ? "" : `${count(list.length)} of ${count(rows.size)}`);
  for (const button of head.querySelectorAll("button")) {
    const isSorted = button.dataset.sort === view.sort;
    button.parentElement.setAttribute("aria-sort", isSorted ? (view.isReversed ? "descending" : "ascending") : "none");
  }
  paint();
}

/** Of rows that changed: whether one of them now belongs elsewhere, where the order is by what changes. */
export function updateRows(names) {
  let moves = false;
  for (const name of names) {
    const row = shownRows().get(name);
    if (!row || judge(row, shownTraffic(name)).level !== view.levels.get(name)) moves = true;
  }
  if (moves || view.sort === "health" || view.sort === "changed") layOut();
  else paint();
}

export function updateTraffic() {
  layOut();
}

// MARK: Painting

const isNarrow = () => $("grid").clientWidth < 700;
const rowHeight = () => (isNarrow() ? 62 : 34);

/** Rows are taller where the page is narrow: all get new places. */
function resize() {
  for (const index of shown.keys()) release(index);
  paint();
}

/** A row that is out of sight: its element is used for another. */
function release(index) {
  const row = shown.get(index);
  shown.delete(index);
  row.element.hidden = true;
  delete row.element.dataset.name;
  spare.push(row);
}

function paint() {
  const grid = $("grid");
  if (!grid.clientHeight) return;
  const height = rowHeight();
  body.style.height = `${Math.max(1, view.list.length) * height}px`;
  const offset = isNarrow() ? 0 : head.offsetHeight;
  const first = Math.max(0, Math.floor(grid.scrollTop / height) - 3);
  const last = Math.min(view.list.length, Math.ceil((grid.scrollTop + grid.clientHeight - offset) / height) + 3);
  // A row keeps its element while it is in sight; elements of those that left are used again.
  for (const index of shown.keys()) {
    if (index < first || index >= last) release(index);
  }
  const now = store.past?.at ?? registryNow();
  for (let index = first; index < last; index++) {
    let row = shown.get(index);
    if (!row) {
      row = spare.pop() ?? makeRow();
      row.element.style.transform = `translateY(${index * height}px)`;
      row.element.hidden = false;
      shown.set(index, row);
    }
    paintRow(row, view.list[index], now);
  }
  emptyNote();
}

let note;
function emptyNote() {
  note ??= h("p.empty", {});
  if (view.list.length) return note.remove();
  setText(note, view.text || view.filter !== "all" ? "Nothing fits. Esc clears the search." : store.registry?.watching || store.past ? "No service is registered." : "Waiting for the registry.");
  if (!note.parentElement) body.append(note);
}

function makeRow() {
  const cells = {};
  const bar = HEALTH.map((name) => h(`i.s-${name}`, {}));
  const path = svg("path", {});
  for (const column of COLUMNS) {
    cells[column.key] = h(`div.c.c-${column.key}${column.number ? ".num" : ""}`, { role: "gridcell" });
  }
  const dot = h("span.dot", {});
  cells.state.append(dot);
  const name = h("span.name", {});
  const tag = h("span.tag", {}, "external");
  const why = h("span.why", {});
  cells.name.append(name, tag, why);
  const ratio = h("span.ratio", {});
  cells.health.append(ratio, h("span.stack", { "aria-hidden": "true" }, bar));
  cells.trend.append(svg("svg", { viewBox: "0 0 120 22", preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" }, path));
  const element = h("div.row", { role: "row" }, Object.values(cells));
  body.append(element);
  return { element, cells, bar, path, dot, name, tag, why, ratio };
}

function paintRow(parts, name, now) {
  const row = shownRows().get(name);
  if (!row) return;
  const traffic = shownTraffic(name);
  const { level, reasons } = judge(row, traffic);
  const all = total(row);
  if (parts.element.dataset.name !== name) parts.element.dataset.name = name;
  setClass(parts.element, `row l${level}${view.selected === name ? " selected" : ""}`);
  setClass(parts.dot, `dot ${all === 0 ? "none" : ["fine", "warn", "bad"][level]}`);
  parts.dot.title = level ? reasons.join(", ") : all === 0 ? "no instances" : "fine";
  setText(parts.name, name);
  parts.name.title = name;
  parts.tag.hidden = !row.x;
  setText(parts.why, level ? reasons[0] : "");
  setText(parts.ratio, `${routable(row)}/${all}`);
  row.s.forEach((value, index) => {
    const width = all ? `${(value / all) * 100}%` : "0";
    if (parts.bar[index].style.width !== width) parts.bar[index].style.width = width;
  });
  parts.cells.health.title = HEALTH.map((health, index) => (row.s[index] ? `${row.s[index]} ${health}` : "")).filter(Boolean).join(", ") || "no instances";
  setText(parts.cells.version, row.v ? row.v.join(", ") + (row.vn ? ` +${row.vn - row.v.length}` : "") : dash);
  setText(parts.cells.rps, traffic ? rate(traffic.r) : dash);
  setClass(parts.cells.rps, `c c-rps num${traffic?.r === undefined ? "" : " told"}`);
  parts.cells.rps.title = traffic ? (traffic.by === "callers" ? "as its callers here see it" : "as its own sidecar sees it") : "no sidecar here tells";
  setText(parts.cells.ok, percent(traffic?.ok));
  setClass(parts.cells.ok, `c c-ok num${traffic?.ok < 0.99 ? " bad" : ""}`);
  setText(parts.cells.p50, milliseconds(traffic?.p50));
  setText(parts.cells.p99, milliseconds(traffic?.p99));
  setText(parts.cells.retries, percent(traffic?.rt, 1));
  setClass(parts.cells.retries, `c c-retries num${traffic?.rt > 0.1 ? " warn" : ""}`);
  const breaker = breakerText(traffic);
  setText(parts.cells.breaker, breaker.text);
  setClass(parts.cells.breaker, `c c-breaker ${breaker.kind}`);
  setText(parts.cells.changed, ago(row.c, now));
  const pulse = store.past ? undefined : store.pulse.get(name);
  const path = pulse?.length > 1 ? line(pulse, 120, 22) : "";
  if (parts.path.getAttribute("d") !== path) parts.path.setAttribute("d", path);
}

export function breakerText(traffic) {
  if (!traffic || (traffic.open === undefined && traffic.ej === undefined)) return { text: dash, kind: "" };
  if (traffic.open !== undefined) return { text: "open", kind: "bad" };
  const ejected = Array.isArray(traffic.ej) ? traffic.ej.length : traffic.ej;
  return ejected ? { text: `${ejected} ejected`, kind: "warn" } : { text: "closed", kind: "" };
}

// MARK: Selecting

export function select(name, opens) {
  view.selected = name;
  paint();
  if (opens) openService(name);
}

export function unselect() {
  view.selected = null;
  paint();
}

/** The row before or after; scrolled to where it is out of sight. */
export function move(step) {
  if (!view.list.length) return;
  const at = view.list.indexOf(view.selected);
  const index = Math.min(view.list.length - 1, Math.max(0, at < 0 ? 0 : at + step));
  const grid = $("grid");
  const height = rowHeight();
  const room = grid.clientHeight - (isNarrow() ? 0 : head.offsetHeight) - height;
  if (index * height < grid.scrollTop) grid.scrollTop = index * height;
  if (index * height > grid.scrollTop + room) grid.scrollTop = index * height - room;
  select(view.list[index], !$("details").hidden);
}

export const openSelected = () => view.selected && openService(view.selected);
export const repaint = paint;
export const searchText = () => view.text;
