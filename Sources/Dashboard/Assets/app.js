// What ties the page together: views, keys, the figures on top.

import { $, bytes, count, decimal, duration, h, rate, setClass, setText } from "./format.js";
import { connect, failures, shownRows, store, subscribe } from "./store.js";
import { clearSearch, layOut, move, openSelected, repaint, searchText, select, setFilter, setUpServices, unselect, updateRows, updateTraffic } from "./services.js";
import { paintMesh, setUpMesh } from "./mesh.js";
import { paintRegistry, setUpRegistry } from "./registry.js";
import { closeDetails, openDetails, opened, setUpDetails, updateDetails } from "./details.js";
import { goLive, heard, paintPast, setUpTimeline, step } from "./timeline.js";

const VIEWS = ["services", "mesh", "registry"];
const MOST_FAILURES = 12;
let view = "";
let paintFeed = () => {};

// MARK: Where one is, which the address says too: #services/identity-check/ws14-7001

function readAddress() {
  const [name, service, instance] = location.hash.slice(1).split("/").map(decodeURIComponent);
  showView(VIEWS.includes(name) ? name : "services");
  if (service) openDetails(service, instance);
  else closeDetails();
}

function writeAddress() {
  const open = opened();
  const parts = [view, open?.service, open?.instance].filter(Boolean).map(encodeURIComponent);
  const hash = `#${parts.join("/")}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

function showView(name) {
  if (view === name) return;
  view = name;
  for (const other of VIEWS) $(`view-${other}`).hidden = other !== name;
  for (const tab of $("tabs").children) tab.setAttribute("aria-selected", tab.dataset.view === name);
  if (name === "services") layOut();
  if (name === "mesh") paintMesh();
  if (name === "registry") {
    paintRegistry();
    paintFeed();
  }
  writeAddress();
}

function openService(service, instance) {
  openDetails(service, instance);
  select(service, false);
}

// MARK: The figures on top

const facts = new Map();

function paintFacts() {
  const sums = [0, 0, 0, 0, 0];
  for (const row of shownRows().values()) row.s.forEach((value, index) => (sums[index] += value));
  const all = sums.reduce((sum, value) => sum + value, 0);
  const status = store.past ? undefined : store.registry?.status;
  const calls = store.past || !store.sidecars.length ? undefined : store.edges.reduce((sum, edge) => sum + (edge.r ?? 0), 0);
  const list = [
    ["Services", count(shownRows().size)], ["Instances", count(all)], ["Healthy", count(sums[1]), sums[1] ? "fine" : ""],
    ["Degraded", count(sums[2]), sums[2] ? "warn" : ""], ["Unhealthy", count(sums[3]), sums[3] ? "bad" : ""],
    ["Starting", count(sums[0])], ["Draining", count(sums[4])], ["Calls/s", rate(calls)],
    ["Events/s", rate(status?.eventsPerSecond)], ["Heartbeats/s", rate(status?.heartbeatsPerSecond)], ["Look-ups/s", rate(status?.lookupsPerSecond)],
    ["fsync p99", status ? `${decimal(status.fsyncP99Ms)} ms` : "-"], ["Subscribers", count(status?.subscribers)],
    ["Guard", status ? (status.guard?.active ? "ON" : "off") : "-", status?.guard?.active ? "bad" : ""],
    ["Sequence", count(store.past ? store.past.sequence : status?.sequence)],
  ];
  for (const [name, text, kind = ""] of list) {
    let fact = facts.get(name);
    if (!fact) {
      fact = { value: h("b", {}) };
      fact.element = h("div", {}, h("span", {}, name), fact.value);
      facts.set(name, fact);
      $("facts").append(fact.element);
    }
    setText(fact.value, text);
    setClass(fact.value, kind);
  }
}

let shownFailures = "";

function paintFailures() {
  const found = store.past ? [] : failures();
  const state = JSON.stringify(found.slice(0, MOST_FAILURES)) + found.length + Boolean(store.past);
  if (state === shownFailures) return;
  shownFailures = state;
  document.title = found.length ? `(${found.length}) HMS dashboard` : "HMS dashboard";
  const strip = $("failing");
  const ready = store.registry?.watching;
  strip.hidden = Boolean(store.past) || !(found.length || ready);
  strip.className = found.length ? "has" : "";
  strip.replaceChildren(
    found.length ? h("button.all", { title: "Only what is failing (f)", onclick: showFailing }, `${count(found.length)} failing`) : h("strong", {}, "✔ Nothing is failing"),
    ...found.slice(0, MOST_FAILURES).map((failure) => h(`button.failure.l${failure.level}`, { disabled: !failure.service, onclick: () => openService(failure.service), title: `${failure.title}: ${failure.text}` }, h("b", {}, failure.title), h("span", {}, failure.text))),
  );
}

function showFailing() {
  showView("services");
  setFilter("failing", true);
}

function paintLink() {
  const pill = $("link");
  const registry = store.registry;
  const [kind, text] = !store.isConnected ? ["bad", "dashboard unreachable"] : !registry ? ["", "connecting"] : !registry.watching ? ["bad", registry.failure ? "registry unreachable" : "connecting"] : store.past ? ["info", "past"] : ["fine", "live"];
  setClass(pill, `pill ${kind}`);
  setText(pill, text);
  pill.title = registry?.failure ?? registry?.address ?? "";
  const status = registry?.status;
  setText($("address"), registry ? `${registry.address}${status ? ` · up ${duration(status.uptimeMs)} · ${bytes(status.logBytes)} of log` : ""}` : "");
}

// MARK: What changed

let newest = 0;

function onChange(change) {
  if (change.past) {
    paintPast();
    shownFailures = "";
  }
  // What comes live is kept, and not shown while the past is.
  const isLive = !store.past;
  if (view === "services") {
    if (change.rows === null) layOut();
    else if (isLive && change.traffic) updateTraffic();
    else if (isLive && change.rows.size) updateRows(change.rows);
  }
  if (view === "mesh" && (change.traffic || change.rows === null || change.rows.size)) paintMesh();
  if (view === "registry") {
    if (change.registry || change.past) paintRegistry();
    if (change.feed) paintFeed();
  }
  if (change.feed) {
    const fresh = store.feed.filter((item) => item.time > newest);
    if (newest) heard(fresh);
    newest = Math.max(newest, ...fresh.map((item) => item.time), 1);
  }
  if (change.link || change.registry || change.past) paintLink();
  paintFacts();
  paintFailures();
  if (isLive || change.past) updateDetails(change);
}

// MARK: Keys

function onKey(event) {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if ($("keys").open) return;
    if (isTyping) {
      if (searchText()) clearSearch();
      event.target.blur();
    } else if (opened()) closeDetails();
    else if (searchText()) clearSearch();
    else unselect();
    return;
  }
  if (isTyping && event.target.id === "search" && (event.key === "ArrowDown" || event.key === "Enter")) {
    event.preventDefault();
    move(event.key === "Enter" ? 0 : 1);
    if (event.key === "Enter") openSelected();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const isGrid = view === "services";
  const actions = {
    "/": () => { showView("services"); $("search").focus(); },
    j: () => isGrid && move(1), ArrowDown: () => isGrid && move(1), k: () => isGrid && move(-1), ArrowUp: () => isGrid && move(-1),
    Enter: () => isGrid && !event.target.closest("button, [role=button], tr") && openSelected(),
    1: () => showView("services"), 2: () => showView("mesh"), 3: () => showView("registry"),
    f: () => { showView("services"); setFilter("failing"); }, "[": () => step(-1), "]": () => step(1),
    l: goLive, t: turnTheme, "?": () => $("keys").showModal(),
  };
  const action = actions[event.key];
  if (!action) return;
  if (action() === false) return;
  if (event.key !== "Enter") event.preventDefault();
}

// MARK: Light and dark

function turnTheme() {
  const isDark = (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  document.documentElement.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

const theme = localStorage.getItem("theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

setUpServices(openService);
setUpMesh(openService);
paintFeed = setUpRegistry(openService);
setUpDetails(writeAddress);
setUpTimeline();
for (const tab of $("tabs").children) tab.addEventListener("click", () => showView(tab.dataset.view));
$("theme").addEventListener("click", turnTheme);
$("help").addEventListener("click", () => $("keys").showModal());
addEventListener("keydown", onKey);
addEventListener("hashchange", readAddress);
subscribe(onChange);
readAddress();
connect();
// "41s ago" goes on without news.
setInterval(() => view === "services" && repaint(), 5000);
