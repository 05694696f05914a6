// The registry itself: what it does, how quickly, what it holds back, and what changed last.

import { $, ago, bytes, clock, count, dash, decimal, duration, h, line, setText, svg, syncRows } from "./format.js";
import { registryNow, store } from "./store.js";

const CHARTS = [
  { title: "Events", unit: "/s", of: (sample, before) => (before ? Math.max(0, sample[1] - before[1]) / Math.max(0.001, (sample[0] - before[0]) / 1000) : null) },
  { title: "Heartbeats", unit: "/s", of: (sample) => sample[2] },
  { title: "Look-ups", unit: "/s", of: (sample) => sample[3] },
  { title: "fsync p99", unit: " ms", of: (sample) => sample[4] },
  { title: "Subscribers", unit: "", of: (sample) => sample[5], format: count },
];

let facts;
let failure;
let charts;
let guard;
let shards;
let feed;
let feedNote;

export function setUpRegistry(openService) {
  facts = h("dl.facts", {});
  failure = h("p.empty", {});
  guard = h("p.guard", {});
  charts = CHARTS.map((chart) => {
    const value = h("strong", {});
    const path = svg("path", {});
    const area = svg("path", { class: "area" });
    const most = h("span.dim", {});
    const element = h("figure.chart", {}, h("figcaption", {}, chart.title, value), svg("svg", { viewBox: "0 0 300 64", preserveAspectRatio: "none", role: "img", "aria-label": chart.title }, area, path), most);
    return { ...chart, element, value, path, area, most };
  });
  shards = h("tbody", {});
  feed = h("tbody", {});
  feedNote = h("p.dim", {}, "Nothing has changed since this dashboard was started.");
  $("view-registry").append(
    failure,
    h("section.card", {}, h("h2", {}, "State"), guard, facts),
    h("section.card", {}, h("h2", {}, "Last five minutes"), h("div.charts", {}, charts.map((chart) => chart.element))),
    h("section.card", {}, h("h2", {}, "Shards"), h("div.scroll", {}, h("table", {}, h("thead", {}, h("tr", {}, ["Shard", "Slots", "Instances", "View", "Behind"].map((name) => h("th.num", { scope: "col" }, name)))), shards))),
    h("section.card", {}, h("h2", {}, "Latest changes"), feedNote, h("div.scroll", {}, h("table", {}, h("thead", {}, h("tr", {}, ["Time", "Instance", "Health", "Cause"].map((name) => h("th", { scope: "col" }, name)))), feed))),
  );
  paintFeed(openService);
  return () => paintFeed(openService);
}

export function paintRegistry() {
  const registry = store.registry;
  const status = registry?.status;
  failure.hidden = Boolean(status) && !store.past;
  setText(failure, status ? "What follows is of now: only services and instances are on record." : registry?.statusFailure ? `The registry's state can't be told: ${registry.statusFailure}` : "Waiting for the registry.");
  for (const card of $("view-registry").querySelectorAll(".card")) card.hidden = !status && card !== $("view-registry").lastElementChild;
  if (!status) return;
  paintGuard(status);
  paintFacts(registry, status);
  for (const chart of charts) {
    const values = store.samples.map((sample, index) => chart.of(sample, store.samples[index - 1]));
    const last = values.at(-1);
    const most = Math.max(...values.map((value) => value ?? 0), 0);
    const format = chart.format ?? decimal;
    setText(chart.value, last === null || last === undefined ? dash : `${format(last)}${chart.unit}`);
    setText(chart.most, `most ${format(most)}${chart.unit}`);
    const path = values.length > 1 ? line(values, 300, 64, most || 1) : "";
    chart.path.setAttribute("d", path);
    const first = values.findIndex((value) => value !== null);
    chart.area.setAttribute("d", path && first >= 0 ? `${path}L300 64L${((first * 300) / (values.length - 1)).toFixed(1)} 64Z` : "");
  }
  syncRows(shards, status.shards ?? [], (shard) => shard.shard, (shard) => [
    String(shard.shard), count(shard.slots), count(shard.instances), bytes(shard.viewBytes), `${count(shard.behindMs)} ms`,
  ].map((text) => ({ text, kind: "num" })));
}

function paintGuard(status) {
  const { active, held, since, why, expected, seen } = status.guard ?? {};
  guard.className = active ? "guard bad" : "guard fine";
  setText(guard, active
    ? `⚠ Guard on${held ? ", held by an operator" : ""}${since ? ` for ${duration(registryNow() - Date.parse(since))}` : ""}: ${why || ""}${expected ? ` · ${count(seen)} of ${count(expected)} beat` : ""}. Nothing expires; suspect the registry's own network first. → hms-reg guard release`
    : "✔ Guard off: instances that fall silent expire as usual");
}

function paintFacts(registry, status) {
  const list = [
    ["State", `${status.state}${registry.watching ? "" : " · watch lost"}`], ["Version", status.version], ["Up", duration(status.uptimeMs)],
    ["Sequence", count(status.sequence)], ["Epoch", status.epoch], ["Registry", status.registry],
    ["Checkpoint", checkpointText(registry, status)],
    ["Snapshots", snapshotsText(status)],
    ["Root", registry.checkpoint?.root ?? dash],
    ["Writes", `${decimal(status.eventsPerSecond)} events/s · ${decimal(status.heartbeatsPerSecond)} heartbeats/s`],
    ["fsync p99", `${decimal(status.fsyncP99Ms)} ms · queue ${count(status.queue)}`],
    ["Reads", `${decimal(status.lookupsPerSecond)} look-ups/s · p99 ${status.lookupsPerSecond ? `${decimal(status.lookupP99Ms)} ms` : dash}`],
    ["Subscribers", `${count(status.subscribers)} · slowest ${duration(status.slowestSubscriberMs)} behind`],
    ["Log", `${bytes(status.logBytes)} · heartbeats ${bytes(status.beatsBytes)}`],
    ["Disk", `${((status.diskUsedFraction ?? 0) * 100).toFixed(0)}% used · ${bytes(status.diskFreeBytes)} free${status.diskFull ? " · FULL" : status.diskFullInMs ? ` · full in about ${duration(status.diskFullInMs)}` : ""}`],
    ["Lease", `ttl ${duration(status.ttlMs)} · deregister after ${duration(status.deregisterAfterMs)}`],
    ["Data", status.dataDirectory ?? dash],
  ];
  list.forEach(([name, text], index) => {
    const term = facts.children[index * 2] ?? facts.appendChild(h("dt", {}));
    const value = facts.children[index * 2 + 1] ?? facts.appendChild(h("dd", {}));
    setText(term, name);
    setText(value, text);
  });
}

function checkpointText(registry, status) {
  const { signedAt, failure: why } = status.checkpoint ?? {};
  if (why) return `✘ the log can't be signed: ${why}`;
  if (!registry.checkpoint) return "none signed yet";
  const behind = status.sequence - registry.checkpoint.size;
  const since = status.checkpoint?.current || behind <= 0 ? "nothing since" : `${count(behind)} event${behind === 1 ? "" : "s"} since`;
  return `signed through ${count(registry.checkpoint.size)}${signedAt ? `, ${ago(Date.parse(signedAt), registryNow())}` : ""} · ${since}`;
}

function snapshotsText(status) {
  const { last, kept, nextAt, everyMs, failure: why } = status.snapshots ?? {};
  if (kept === undefined) return dash;
  const age = last ? registryNow() - Date.parse(last.takenAt) : undefined;
  const late = everyMs && age > 2 * everyMs ? "✘ " : "";
  const parts = [last ? `${late}last ${ago(Date.parse(last.takenAt), registryNow())}, verified` : "none yet", `${count(kept)} kept`];
  parts.push(nextAt ? `next in ${duration(Math.max(0, Date.parse(nextAt) - registryNow()))}` : "only when asked for");
  if (why) parts.push(`✘ the last could not be taken: ${why}`);
  return parts.join(" · ");
}

function paintFeed(openService) {
  const now = registryNow();
  feedNote.hidden = store.feed.length > 0;
  feed.replaceChildren(...store.feed.slice(0, 100).map((change) => {
    const open = () => openService(change.n, change.id);
    return h("tr", { tabindex: 0, onclick: open, onkeydown: (event) => event.key === "Enter" && open() },
      h("td", { title: ago(change.time, now) }, clock(change.time)), h("td.strong", {}, `${change.n}/${change.id}`),
      h("td", {}, change.to ? h(`span.health.${change.to}`, {}, change.from ? `${change.from} → ${change.to}` : `registered, ${change.to}`) : h("span.dim", {}, "deregistered")),
      h("td.dim", {}, change.cause ?? ""));
  }));
}
