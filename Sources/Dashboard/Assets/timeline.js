// The slider: what happened when, and the registry as of any moment of it.

import { $, clock, count, duration, moment, setText, svg, zone } from "./format.js";
import { announce, registryNow, store } from "./store.js";

const STEPS = 120;
const WIDTH = 1000;
const HEIGHT = 34;

let begins = null;
/** What is shown: milliseconds, and counts of each step. */
let range = { since: 0, until: 0, steps: [] };
let asked = 0;
/** When it was asked last: a registry that was away is asked again once it is there. */
let askedAt = 0;
const PATIENCE = 5000;
let wanted = null;
let isAsking = false;
let bars;
let thumb;
let label;

export function setUpTimeline() {
  const slider = $("slider");
  bars = svg("g", {});
  thumb = svg("line", { class: "thumb", y1: 0, y2: HEIGHT });
  label = document.createElement("output");
  slider.append(svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, bars, thumb), label);
  $("span").addEventListener("change", refresh);
  $("play").addEventListener("click", goLive);
  $("back-live").addEventListener("click", goLive);
  slider.addEventListener("pointerdown", (event) => {
    slider.setPointerCapture(event.pointerId);
    drag(event);
  });
  slider.addEventListener("pointermove", (event) => slider.hasPointerCapture(event.pointerId) && drag(event));
  slider.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -STEPS, End: STEPS }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    step(steps);
  });
  refresh();
  setInterval(slide, 1000);
}

const spanMilliseconds = () => Number($("span").value) * 1000;

/** Reads the steps anew: when a page begins, another span is chosen, or the past is entered. Not by the clock: it is the
 * registry's log that is read. */
async function refresh() {
  const turn = ++asked;
  askedAt = Date.now();
  const now = registryNow();
  const span = spanMilliseconds();
  const query = new URLSearchParams({ steps: STEPS });
  if (span) query.set("since", new Date(now - span).toISOString());
  query.set("until", new Date(now).toISOString());
  try {
    const answer = await fetch(`/api/timeline?${query}`);
    const found = await answer.json();
    if (turn !== asked) return;
    if (!answer.ok) {
      label.title = found.error;
      return;
    }
    // Told to the millisecond, rounded down: the first event lies behind it.
    begins = Date.parse(found.begins) + 1;
    const since = span ? now - span : begins;
    range = { since, until: now, steps: placed(found, since, now) };
    draw();
  } catch {
    // The link says that nobody answers.
  }
}

/** The answer's steps on this range, which may begin before history does. */
function placed(found, since, until) {
  const [from, to] = [Date.parse(found.since), Date.parse(found.until)];
  const steps = Array.from({ length: STEPS }, () => ({ good: 0, bad: 0 }));
  found.steps.forEach((step, index) => {
    const time = from + ((index + 0.5) / found.steps.length) * (to - from);
    const place = Math.min(STEPS - 1, Math.max(0, Math.floor(((time - since) / (until - since)) * STEPS)));
    steps[place].good += (step.registered ?? 0) + (step.better ?? 0) + (step.other ?? 0);
    steps[place].bad += (step.worse ?? 0) + (step.deregistered ?? 0);
  });
  return steps;
}

/** Time goes on: the newest step grows by what is heard live, and the range moves along. */
function slide() {
  if (!range.until && store.registry?.watching && Date.now() - askedAt > PATIENCE) refresh();
  if (store.past || !range.until) return;
  const now = registryNow();
  const width = (range.until - range.since) / STEPS;
  const passed = Math.floor((now - range.until) / width);
  if (passed > 0) {
    if (spanMilliseconds()) {
      for (let index = 0; index < Math.min(passed, STEPS); index++) range.steps.push({ good: 0, bad: 0 });
      range.steps = range.steps.slice(-STEPS);
      range.since += passed * width;
    }
    range.until += passed * width;
  }
  draw();
}

export function heard(changes) {
  const last = range.steps.at(-1);
  if (!last) return;
  for (const change of changes) {
    if (change.to === "healthy") last.good += 1;
    else last.bad += 1;
  }
  draw();
}

function draw() {
  const most = Math.max(1, ...range.steps.map((step) => step.good + step.bad));
  const width = WIDTH / STEPS;
  // Rare events beside many stay in sight: heights go by the root.
  const tall = (value) => (value ? Math.max(3, Math.sqrt(value / most) * (HEIGHT - 6)) : 0);
  bars.replaceChildren(...range.steps.flatMap((step, index) => {
    const all = tall(step.good + step.bad);
    if (!all) return [];
    const bad = step.bad ? Math.max(2, all * (step.bad / (step.good + step.bad))) : 0;
    const x = (index * width + 0.5).toFixed(1);
    return [
      svg("rect", { class: "good", x, width: width - 1.5, y: HEIGHT - all, height: all }),
      bad ? svg("rect", { class: "bad", x, width: width - 1.5, y: HEIGHT - bad, height: bad }) : null,
    ].filter(Boolean);
  }));
  place();
}

function place() {
  const at = wanted ?? store.past?.at ?? range.until;
  const share = range.until > range.since ? Math.min(1, Math.max(0, (at - range.since) / (range.until - range.since))) : 1;
  for (const end of ["x1", "x2"]) thumb.setAttribute(end, Math.min(WIDTH - 2, share * WIDTH));
  const isLive = wanted === null && !store.past;
  const text = isLive ? `${clock(registryNow())} ${zone()}` : `${moment(at)} ${zone()} · ${duration(registryNow() - at)} ago`;
  setText(label, text);
  const slider = $("slider");
  label.style.left = `${Math.max(0, Math.min(slider.clientWidth - label.offsetWidth, share * slider.clientWidth - label.offsetWidth / 2))}px`;
  slider.setAttribute("aria-valuenow", Math.round(share * 100));
  slider.setAttribute("aria-valuemin", 0);
  slider.setAttribute("aria-valuemax", 100);
  slider.setAttribute("aria-valuetext", text);
  $("play").className = isLive ? "live" : "";
  setText($("play"), isLive ? "● Live" : "○ Live");
}

function drag(event) {
  const box = $("slider").getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  if (share > 0.995) return goLive();
  show(range.since + share * (range.until - range.since));
}

/** Steps of the slider back or on; behind the last one is now. */
export function step(steps) {
  const at = (wanted ?? store.past?.at ?? range.until) + (steps * (range.until - range.since)) / STEPS;
  if (at >= range.until) goLive();
  else show(at);
}

export function goLive() {
  wanted = null;
  if (store.past) {
    store.past = null;
    announce({ rows: null, traffic: true, past: true });
    refresh();
  }
  place();
}

/** The registry as of a moment; while one is fetched only the last one that was wanted is kept. */
export async function show(at) {
  wanted = Math.max(at, begins ?? at);
  place();
  if (isAsking) return;
  isAsking = true;
  while (wanted !== null && wanted !== store.past?.at) {
    const asked = wanted;
    try {
      const answer = await fetch(`/api/past?at=${encodeURIComponent(new Date(asked).toISOString())}`);
      const found = await answer.json();
      if (wanted === null) break;
      store.past = answer.ok
        ? { at: asked, sequence: found.sequence, rows: new Map(found.rows.map((row) => [row.n, row])) }
        : { at: asked, sequence: null, rows: new Map(), error: `${found.error}${found.hint ? ` → ${found.hint}` : ""}` };
      announce({ rows: null, traffic: true, past: true });
    } catch {
      break;
    }
  }
  wanted = null;
  isAsking = false;
  place();
}

export function paintPast() {
  const { past } = store;
  $("past-bar").hidden = !past;
  document.body.classList.toggle("in-past", Boolean(past));
  if (!past) return;
  setText($("past-text"), past.error ? `${moment(past.at)}: ${past.error}` : `The registry as of ${moment(past.at)} ${zone()} · sequence ${count(past.sequence)} · ${count(past.rows.size)} services. Calls are not on record.`);
  place();
}
