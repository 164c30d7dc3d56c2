// How the box is, what it spent, what left it, what is switched on.

import { get, send } from "./api.js";
import { at, capital, el, lasting, percent, size } from "./dom.js";
import { showTeaching } from "./teach.js";

const EVERY_MS = 15000;
const PERIODS = { month: "This month", day: "Today", minute: "This minute" };
/** The box's own parts; every other one is a camera or a microphone. */
export const WORKERS = { http: "This page and the API", vision: "Seeing", answering: "Answering", timers: "Timers", "home-assistant": "Home Assistant", usual: "Learning what is usual", alerts: "Alerts in words", "unusual-sounds": "Learning usual sounds", wyoming: "Voice for Home Assistant" };
let running = null;

/** Begin; `tell` gets what the box says of itself each time. */
export function startBox(tell) {
  running = { tell };
  return stay(running);
}

/** End. */
export function stopBox() {
  running = null;
  for (const id of ["left", "spending", "parts", "switches", "teach"]) at(id).replaceChildren();
}

/** Ask at once how the box is. */
export async function refreshBox() {
  const mine = running;
  if (!mine) return;
  try {
    const box = await get("v1/box");
    if (running !== mine) return;
    show(box);
    mine.tell(box);
    await showSwitches(box.missing.switches);
  } catch (error) {
    if (error.name !== "AbortError" && running === mine) mine.tell(null);
  }
}

async function stay(mine) {
  while (running === mine) {
    if (!document.hidden) await refreshBox();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

function show(box) {
  at("left").replaceChildren(...(box.left.length ? [list(box.left)] : [el("p", { class: "empty", text: "Nothing. No question and no picture has gone from this box to a cloud." })]));
  at("spending").replaceChildren(...(box.spending ? box.spending.map(cap) : [el("p", { class: "empty", text: `${capital(box.missing.spending ?? "nothing is spent")}.` })]));
  at("parts").replaceChildren(machine(box), parts(box.parts));
  showTeaching(box.missing.teach);
}

function list(left) {
  return el("ol", { class: "left-list", tabindex: 0, "aria-label": "What left, the newest first" }, ...left.map((one) => {
    const masked = Object.entries(one.masked).map(([kind, count]) => `${count} ${kind}`).join(", ");
    const hidden = Object.entries(one.picture?.hidden ?? {}).map(([kind, count]) => `${count} ${kind}`).join(", ");
    const price = one.cost_usd === null ? "price not settled" : `${one.cost_usd.toFixed(6)} USD`;
    const item = el("li", {}, el("p", { class: "title", text: one.to }), el("p", { class: "small muted", text: `${new Date(one.at).toLocaleString()} · from ${one.source} · ${price}${one.outcome ? `, ${one.outcome}` : ""}` }));
    for (const text of one.texts) item.append(el("blockquote", { text }));
    if (masked) item.append(el("p", { class: "small", text: `Taken out before: ${masked}` }));
    if (one.picture) item.append(el("p", { class: "small", text: `One picture, ${one.picture.width} × ${one.picture.height}, ${size(one.picture.bytes)}${hidden ? `; blurred: ${hidden}` : ""}` }));
    return item;
  }));
}

function cap(one) {
  const used = one.spent_usd + one.reserved_usd;
  const words = `${one.spent_usd.toFixed(4)} of ${one.cap_usd.toFixed(2)} USD`;
  return el(
    "div", { class: "cap" },
    el("p", { class: "row spread" }, el("span", { text: PERIODS[one.name] ?? one.name }), el("span", { class: "muted", text: words })),
    el("meter", { min: 0, max: Math.max(one.cap_usd, 1e-9), value: used, "aria-label": `${PERIODS[one.name] ?? one.name}: ${words}` }),
  );
}

function machine(box) {
  const { processor_c: warm, memory_free: memory, memory_total: memories, disk_free: disk, disk_total: disks, running_s: running } = box.machine;
  const rows = [
    ["Running for", lasting(running)],
    ["Processor", warm === null ? "no thermometer" : `${Math.round(warm)} °C`],
    ["Memory free", `${size(memory)}, ${percent(memory / memories)}`],
    ["Disk free", `${size(disk)}, ${percent(disk / disks)}`],
    ["Model", box.model],
    ["Version", box.version],
  ];
  return el("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]));
}

function parts(states) {
  return el("ul", { class: "parts" }, ...Object.entries(states).map(([name, state]) =>
    el("li", {}, el("span", { text: WORKERS[name] ?? name }), el("span", { class: `state ${state === "online" ? "good" : "bad"}`, text: state === "online" ? "Well" : capital(state) }))));
}

async function showSwitches(why) {
  if (why) {
    at("switches").replaceChildren(el("p", { class: "empty", text: `Not available: ${why}.` }));
    return;
  }
  const { switches } = await get("v1/switches");
  const focused = document.activeElement?.dataset?.switch;
  at("switches").replaceChildren(...Object.entries(switches).map(([name, on]) => toggle(name, on)));
  if (focused) at("switches").querySelector(`[data-switch="${CSS.escape(focused)}"]`)?.focus();
  if (!Object.keys(switches).length) at("switches").replaceChildren(el("p", { class: "empty", text: "There is nothing to switch." }));
}

function toggle(name, on) {
  const words = capital(name.replaceAll(/[_/-]/g, " "));
  const button = el("button", { class: "switch", type: "button", role: "switch", "aria-checked": String(on), "data-switch": name }, el("span", { text: words }), el("span", { class: "knob", "aria-hidden": "true" }));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const { switches } = await send("PUT", "v1/switches", { switches: { [name]: button.getAttribute("aria-checked") !== "true" } });
      button.setAttribute("aria-checked", String(switches[name]));
    } catch (error) {
      if (error.name !== "AbortError") button.after(el("p", { class: "error", role: "alert", text: error.message }));
    } finally {
      button.disabled = false;
      button.focus();
    }
  });
  return button;
}
