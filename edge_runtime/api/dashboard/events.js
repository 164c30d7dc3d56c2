// What happened: the list with its filters, kept up to date by a stream, and what its owner says to an alert.

import { can } from "./abilities.js";
import { file, follow, get, send } from "./api.js";
import { announce, at, clock, el, percent, sign } from "./dom.js";
import { ORIGINS, isAlert, isSure, sentence } from "./words.js";
import { view } from "./viewer.js";

const SHOWN = 40;
const MOST = 400;
const ROUNDED_S = 0.001;
const SOON_MS = 2000;
const LATER_MS = 10000;
const FRESH_S = 8;
const PATIENCE_S = 120;
const KINDS = [
  ["All", []],
  ["Alerts", ["zone", "line", "alert", "alert_denied", "anomaly"]],
  ["Seen", ["object"]],
  ["Heard", ["sound", "intent", "wake"]],
  ["Answers", ["answered"]],
  ["Box", ["source_status", "timer_finished", "switch", "feedback", "gate_drift"]],
];
const SIGNS = {
  zone: "bell", line: "bell", alert: "bell", anomaly: "bell", alert_denied: "dot", object: "person", sound: "sound", intent: "mic", wake: "mic",
  answered: "talk", source_status: "camera",
};

const rows = new Map();
const verdicts = new Map();
const watched = new Map();
let chosen = [];
let oldest = null;
let running = null;

/** Begin; `tell` hears whether the box is connected, `hear` of each new event. */
export function startEvents(tell, hear) {
  running = { tell, hear };
  fillFilters();
  return stay(running);
}

/** End, and forget what was shown. */
export function stopEvents() {
  running = null;
  clear();
  verdicts.clear();
  watched.clear();
}

function fillFilters() {
  const buttons = KINDS.map(([name, kinds], place) =>
    el("button", {
      type: "button", class: "chip", "aria-pressed": String(place === 0), text: name,
      onclick: (event) => {
        for (const one of at("by-kind").children) one.setAttribute("aria-pressed", String(one === event.currentTarget));
        chosen = kinds;
        load();
      },
    }));
  chosen = [];
  at("by-kind").replaceChildren(...buttons);
  at("by-source").value = "";
}

at("by-source").addEventListener("change", () => load());
at("older").addEventListener("click", () => load(oldest + ROUNDED_S));

async function stay(mine) {
  let wait = 1000;
  while (running === mine) {
    try {
      await follow("v1/events/stream", () => {
        mine.tell(true);
        wait = 1000;
        load();
      }, (event) => running === mine && arrived(event));
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    if (running !== mine) return;
    mine.tell(false);
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, 15000);
  }
}

/** Read the list anew, or what came before a time. */
async function load(before) {
  const query = new URLSearchParams({ limit: SHOWN });
  for (const kind of chosen) query.append("kind", kind);
  if (at("by-source").value) query.set("source", at("by-source").value);
  if (before) query.set("before", before);
  const wanted = query.toString();
  load.last = wanted;
  let found;
  try {
    found = (await get(`v1/events?${query}`)).data;
  } catch (error) {
    if (error.name !== "AbortError") empty(error.message);
    return;
  }
  if (load.last !== wanted) return;
  if (!before) clear();
  for (const event of found.filter(isWanted)) put(event, false);
  oldest = found.at(-1)?.at ?? oldest;
  at("older").hidden = found.length < SHOWN;
  if (!rows.size) {
    empty(chosen.includes("zone")
      ? "No alerts. Draw a zone on a camera to be told what comes into it."
      : "Nothing yet. What the cameras and microphones notice appears here.");
  }
}

/** Tell whether an event belongs under the filter; that somebody left is no alert. */
const isWanted = (event) =>
  !chosen.length || (chosen.includes(event.kind) && !(event.kind === "zone" && event.data.type === "leave"));

function empty(text) {
  at("no-events").textContent = text;
  at("no-events").hidden = false;
}

function clear() {
  for (const row of rows.values()) row.drop();
  rows.clear();
  at("event-list").replaceChildren();
  at("no-events").hidden = true;
}

function arrived(event) {
  running.hear(event);
  addSource(event.source);
  if (event.kind === "feedback") verdictOf(event);
  if (!isWanted(event)) return;
  if (at("by-source").value && at("by-source").value !== event.source) return;
  put(event, true);
  if (isAlert(event)) {
    announce(`${sentence(event)}, ${event.source}`);
    watched.set(event.id, performance.now() / 1000);
    expect(SOON_MS);
  }
}

/** See after a while whether pictures and films of the new alerts have been kept; one question for all of them. */
function expect(ms) {
  if (!expect.timer) expect.timer = setTimeout(look, ms);
}

async function look() {
  const mine = running;
  const now = performance.now() / 1000;
  for (const [id, since] of watched) {
    const event = rows.get(id)?.event;
    if (!event || (event.snapshot && event.clip) || now - since > PATIENCE_S) watched.delete(id);
  }
  const ages = [...watched.values()].map((since) => now - since);
  if (ages.length && mine) {
    const waiting = [...watched.keys()].map((id) => rows.get(id).event);
    const query = new URLSearchParams({ since: Math.min(...waiting.map((event) => event.at)) - 1, limit: 200 });
    for (const kind of new Set(waiting.map((event) => event.kind))) query.append("kind", kind);
    try {
      for (const found of (await get(`v1/events?${query}`)).data) {
        const row = rows.get(found.id);
        if (row && (row.event.snapshot !== found.snapshot || row.event.clip !== found.clip)) row.show(found);
      }
    } catch {
      // The next look may find them.
    }
  }
  expect.timer = null;
  if (ages.length && running === mine) expect(Math.min(...ages) < FRESH_S ? SOON_MS : LATER_MS);
}

/** Offer what the box can do with the alerts that are shown. */
export function showVerdicts() {
  for (const row of rows.values()) if (isAlert(row.event)) row.show();
}

/** Let a source be chosen. */
export function addSource(name) {
  const known = [...at("by-source").options].some((option) => option.value === name);
  if (!known) at("by-source").append(el("option", { value: name, text: name }));
}

function verdictOf(event) {
  verdicts.set(event.data.event, event.data.verdict);
  rows.get(event.data.event)?.show();
}

function put(event, first) {
  if (rows.has(event.id)) return;
  addSource(event.source);
  if (event.kind === "feedback" && !verdicts.has(event.data.event)) verdictOf(event);
  const row = new Row(event);
  const others = [...rows];
  rows.set(event.id, row);
  at("no-events").hidden = true;
  if (!first) {
    at("event-list").append(row.node);
    return;
  }
  at("event-list").prepend(row.node);
  rows.clear();
  rows.set(event.id, row);
  for (const [id, other] of others) rows.set(id, other);
  while (rows.size > MOST) {
    const [id, last] = [...rows].at(-1);
    last.drop();
    last.node.remove();
    rows.delete(id);
  }
}

/** One event of the list. */
class Row {
  constructor(event) {
    this.event = event;
    this.node = el("li", { class: isAlert(event) ? "event is-alert" : "event", "data-id": event.id, "data-kind": event.kind });
    this.picture = null;
    this.show();
  }

  show(event = this.event) {
    this.event = event;
    const title = el("p", { class: "title", text: sentence(event) });
    const when = el("p", { class: "small muted" }, el("time", { datetime: new Date(event.at * 1000).toISOString(), text: clock(event.at) }), ` · ${event.source}`);
    if (isSure(event)) when.append(` · ${percent(event.score)}`);
    if (ORIGINS[event.data.origin]) when.append(` · ${ORIGINS[event.data.origin]}`);
    const body = el("div", { class: "body" }, title, when);
    if (event.kind === "answered" && event.data.text) title.after(el("p", { class: "reply", text: event.data.text }));
    this.node.replaceChildren(this.lead(), body);
    if (isAlert(event)) this.node.append(this.actions());
  }

  lead() {
    if (!this.event.snapshot) return el("span", { class: "sign" }, sign(isAlert(this.event) || this.event.kind !== "zone" ? SIGNS[this.event.kind] ?? "dot" : "zone"));
    if (!this.thumb) {
      const image = el("img", { alt: "", loading: "lazy" });
      this.thumb = el("button", { class: "thumb", type: "button", onclick: () => view(this.event) },
        image, el("span", { class: "hidden", text: `Show the picture: ${sentence(this.event)}` }));
      this.watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && this.fetch(image));
      this.watcher.observe(this.thumb);
    }
    this.thumb.classList.toggle("has-film", this.event.clip);
    return this.thumb;
  }

  async fetch(image) {
    this.watcher.disconnect();
    try {
      this.picture = await file(`v1/events/${this.event.id}/snapshot`);
      image.src = this.picture;
    } catch (error) {
      if (error.name !== "AbortError") this.thumb.classList.add("gone");
    }
  }

  actions() {
    const given = verdicts.get(this.event.id);
    const place = el("div", { class: "actions" });
    if (given) {
      place.append(el("span", { class: "verdict", text: given === "fine" ? "You said: that was fine" : "You said: that was right" }));
    } else if (can("feedback")) {
      for (const [verdict, words] of [["fine", "That was fine"], ["right", "That was right"]]) {
        place.append(el("button", { class: "quiet", type: "button", "data-verdict": verdict, text: words, onclick: () => this.say(verdict, place) }));
      }
    }
    return place;
  }

  async say(verdict, place) {
    for (const button of place.children) button.disabled = true;
    try {
      await send("POST", `v1/events/${this.event.id}/feedback`, { verdict });
      verdicts.set(this.event.id, verdict);
      announce("Thank you, noted.");
      this.show();
    } catch (error) {
      for (const button of place.children) button.disabled = false;
      if (error.name !== "AbortError") place.append(el("span", { class: "error", role: "alert", text: error.message }));
    }
  }

  drop() {
    this.watcher?.disconnect();
    if (this.picture) URL.revokeObjectURL(this.picture);
  }
}
