// Makes elements. Text is always text: nothing that an event, a camera or a person said becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Return the element of this id. */
export const at = (id) => document.getElementById(id);

/**
 * Return a new element.
 * @param {string} tag its name
 * @param {object} given attributes; `class`, `text` and `on...` listeners too; false and null leave one out
 * @param {...(Node|string|null)} children strings become text
 */
export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return one of the signs that index.html holds. */
export function sign(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  picture.append(use);
  return picture;
}

/** Return a new SVG element. */
export function drawn(tag, given = {}) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) made.setAttribute(name, String(value));
  return made;
}

/** Say something to those who listen to the page. */
export function announce(text) {
  at("announcer").textContent = text;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });

/** Return the time of day of a Unix time, with the day where it is not today. */
export function clock(unix) {
  const when = new Date(unix * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(when) : `${DAY.format(when)}, ${CLOCK.format(when)}`;
}

/** Return seconds in words. */
export function lasting(seconds) {
  const units = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, name] = units.find(([one]) => seconds >= one) ?? units[3];
  const count = Math.round(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** Return a number of bytes in words. */
export function size(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}

/** Return a probability in words. */
export const percent = (share) => `${Math.round(share * 100)} %`;

/** Return a text with its first letter large. */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
