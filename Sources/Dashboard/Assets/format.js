// Words, numbers and elements. Whatever comes from a registry is put on the page as text, never as HTML.

export const dash = "-";

/** An element: `h("td.num", { title }, child, …)`. Children are elements or text; null and false are left out. */
export function h(name, attributes, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  return fill(element, attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Sets text only where it differs: what did not change is not painted again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.getAttribute("class") !== name) element.setAttribute("class", name);
}

const whole = new Intl.NumberFormat("en-US");

export const count = (value) => (value === undefined || value === null ? dash : whole.format(value));

/** One decimal below ten, none above. */
export function decimal(value) {
  if (value === undefined || value === null || !Number.isFinite(value)) return dash;
  return Math.abs(value) < 9.95 ? value.toFixed(1) : whole.format(Math.round(value));
}

export function rate(value) {
  if (value === undefined || value === null) return dash;
  return value === 0 ? "0" : value < 0.05 ? "<0.1" : decimal(value);
}

/** `99.98%`: never rounded up to 100. */
export function percent(share, digits = 2) {
  if (share === undefined || share === null) return dash;
  const scale = 10 ** digits;
  return (Math.floor(share * 100 * scale + 1e-6) / scale).toFixed(digits) + "%";
}

export function milliseconds(value) {
  if (value === undefined || value === null) return dash;
  if (value < 999.5) return decimal(value) + " ms";
  return value < 9950 ? (value / 1000).toFixed(1) + " s" : duration(value);
}

/** The largest two units: `4m32s`, `2d4h`. */
export function duration(ms) {
  if (ms === undefined || ms === null || !Number.isFinite(ms)) return dash;
  if (ms < 1000) return Math.round(Math.max(0, ms)) + "ms";
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "m"], [seconds % 60, "s"],
  ];
  const first = parts.findIndex((part) => part[0] > 0);
  return parts.slice(first, first + 2).filter((part) => part[0] > 0).map((part) => part[0] + part[1]).join("");
}

/** `41s ago`, of times in milliseconds. */
export const ago = (time, now) => (time ? (now - time < 1500 ? "now" : duration(now - time) + " ago") : dash);

export function bytes(value) {
  if (value === undefined || value === null) return dash;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return (unit === 0 ? value : decimal(value)) + " " + units[unit];
}

const two = (value) => String(value).padStart(2, "0");

/** `09:05:12`, local. */
export function clock(time) {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `09:05:12`, with the day where it is not today's. */
export function moment(time) {
  const date = new Date(time);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === new Date().toDateString() ? clock(time) : `${day} ${clock(time)}`;
}

export const zone = () => new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts().find((part) => part.type === "timeZoneName")?.value ?? "";

/** A line over values, as an SVG path in a box of `width` × `height`; null is a gap. */
export function line(values, width, height, most) {
  const top = most ?? Math.max(...values.map((value) => value ?? 0), 1e-9);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let isOpen = false;
  values.forEach((value, index) => {
    if (value === null || value === undefined) return (isOpen = false);
    const y = height - 1 - (value / top) * (height - 2);
    path += `${isOpen ? "L" : "M"}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    isOpen = true;
  });
  return path;
}

/** Rows of a table by key: an element stays while its key does, and only cells that differ are painted. */
export function syncRows(tbody, items, keyOf, cellsOf, onOpen) {
  const known = (tbody.rowsByKey ??= new Map());
  const keys = new Set(items.map(keyOf));
  for (const [key, row] of known) {
    if (keys.has(key)) continue;
    row.remove();
    known.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    const cells = cellsOf(item);
    let row = known.get(key);
    if (!row) {
      row = h("tr", {}, cells.map(() => h("td", {})));
      if (onOpen) {
        row.tabIndex = 0;
        row.addEventListener("click", () => onOpen(row.item));
        row.addEventListener("keydown", (event) => event.key === "Enter" && onOpen(row.item));
      }
      known.set(key, row);
    }
    row.item = item;
    if (tbody.children[index] !== row) tbody.insertBefore(row, tbody.children[index] ?? null);
    cells.forEach((cell, column) => {
      const { text, kind = "", title = "" } = typeof cell === "object" ? cell : { text: cell };
      const td = row.children[column];
      setText(td, text);
      if (td.className !== kind) td.className = kind;
      if (td.title !== title) td.title = title;
    });
  });
}
