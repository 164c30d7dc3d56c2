// Live pictures: each camera that can be seen is asked for its newest picture again and again, and for none otherwise.

import { can } from "./abilities.js";
import { ask, get } from "./api.js";
import { at, capital, clock, drawn, el, lasting, percent, sign } from "./dom.js";

const EVERY_MS = 220;
// All cameras on the screen together: eight pictures a second, so that several people may watch at once.
const EACH_MS = 125;
const AFTER_FAULT_MS = 3000;
const STILL_S = 15;
const STATES_MS = 10000;
const STARTING_MS = 1500;
const GOOD = { online: "Live", starting: "Starting" };

const tiles = new Map();
let running = null;

/** Begin; `edit` is called with a camera's name when its zones are to be drawn. */
export function startLive(edit) {
  running = { edit };
  return refresh(running);
}

/** End: no more pictures are asked for. */
export function stopLive() {
  running = null;
  for (const tile of tiles.values()) tile.drop();
  tiles.clear();
  at("cameras").replaceChildren();
}

/** Offer zones where the box has them, and show them as they are now. */
export function showAbilities() {
  for (const tile of tiles.values()) tile.showZones();
}

/** Ask at once how the cameras are. */
export async function refreshCameras() {
  const mine = running;
  try {
    if (mine) show((await get("v1/cameras")).data, mine);
  } catch {
    // It is asked again soon.
  }
}

async function refresh(mine) {
  while (running === mine) {
    if (!document.hidden) await refreshCameras();
    await pause(tiles.size && [...tiles.values()].every((tile) => tile.ready) ? STATES_MS : STARTING_MS);
  }
}

function show(cameras, mine) {
  if (running !== mine) return;
  for (const camera of cameras) {
    if (!tiles.has(camera.name)) {
      const tile = new Tile(camera.name, mine);
      tiles.set(camera.name, tile);
      at("cameras").append(tile.node);
    }
    tiles.get(camera.name).tell(camera);
  }
  at("cameras").classList.toggle("single", cameras.length === 1);
  if (!cameras.length) {
    at("cameras").replaceChildren(
      el("p", { class: "empty", text: "No camera yet. Add one under “cameras” in the settings of this box." }),
    );
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** One camera on the page. */
class Tile {
  constructor(name, mine) {
    this.name = name;
    this.mine = mine;
    this.ready = false;
    this.seen = false;
    this.tag = "";
    this.image = el("img", { alt: "", class: "picture", hidden: true });
    this.boxes = el("div", { class: "boxes", "aria-hidden": "true" });
    this.waiting = el("p", { class: "waiting", text: "Waiting for the first picture…" });
    this.state = el("span", { class: "state" });
    this.found = el("span", { class: "found muted" });
    const edit = el("button", { class: "quiet", type: "button", hidden: true, onclick: () => mine.edit(name) }, sign("zone"), "Zones");
    this.edit = edit;
    edit.append(el("span", { class: "hidden", text: ` of ${name}` }));
    this.zones = drawn("svg", { class: "zones", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.stage = el("div", { class: "stage" }, this.image, this.zones, this.boxes, this.waiting);
    this.changedAt = performance.now();
    this.words = this.kind = "";
    this.showZones();
    this.node = el(
      "figure", { class: "camera card" }, this.stage,
      el("figcaption", {}, el("strong", { text: name }), this.state, this.found, edit),
    );
    this.watcher = new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; });
    this.watcher.observe(this.node);
    this.loop();
  }

  drop() {
    this.watcher.disconnect();
    URL.revokeObjectURL(this.image.src);
  }

  async showZones() {
    this.edit.hidden = !can("zones");
    if (!can("zones")) return;
    try {
      const { settings, drawn: own } = await get(`v1/cameras/${this.name}/zones`);
      this.zones.replaceChildren(...[...settings, ...own].map((zone) =>
        drawn("polygon", { points: zone.polygon.map((corner) => corner.join(",")).join(" ") })));
    } catch {
      // The picture is shown without them.
    }
  }

  tell(camera) {
    this.ready = camera.width !== null;
    const well = camera.status in GOOD;
    const words = well ? GOOD[camera.status] : capital(camera.status);
    this.words = camera.watching ? words : `${words}, detection off`;
    if (!well && camera.seen) this.words += `, last seen ${clock(camera.seen)}`;
    this.kind = camera.status === "online" ? "good" : well ? "" : "bad";
    this.tellState();
    this.node.classList.toggle("stale", !well);
    if (camera.width) this.stage.style.aspectRatio = `${camera.width} / ${camera.height}`;
  }

  /** Say how the camera is; one that gives no new picture is not called live. */
  tellState() {
    const still = (performance.now() - this.changedAt) / 1000;
    const stands = this.ready && still > STILL_S && this.kind === "good";
    const words = stands ? `No new picture for ${lasting(still)}` : this.words;
    if (this.state.textContent !== words) this.state.textContent = words;
    this.state.className = `state ${stands ? "bad" : this.kind}`;
  }

  async loop() {
    while (running === this.mine) {
      if (document.hidden || !this.seen || !this.ready) {
        this.changedAt = performance.now();
        await pause(200);
        continue;
      }
      const began = performance.now();
      let rest = Math.max(EVERY_MS, [...tiles.values()].filter((tile) => tile.seen).length * EACH_MS);
      try {
        await this.fetch();
      } catch (error) {
        if (error.name === "AbortError") return;
        rest = Math.max(AFTER_FAULT_MS, (error.waitS ?? 0) * 1000);
      }
      await pause(Math.max(rest - (performance.now() - began), 30));
    }
  }

  async fetch() {
    const wide = Math.min(Math.max(Math.round(this.node.clientWidth * Math.min(devicePixelRatio, 2)), 160), 1920);
    const headers = this.tag ? { "If-None-Match": this.tag } : {};
    const reply = await ask(`v1/cameras/${this.name}/picture?width=${wide}`, { headers });
    if (reply.status === 304) {
      this.tellState();
      return;
    }
    this.changedAt = performance.now();
    this.tellState();
    const found = JSON.parse(reply.headers.get("X-Edge-Detections") ?? "[]");
    const url = URL.createObjectURL(await reply.blob());
    const before = this.image.src;
    this.image.src = url;
    try {
      await this.image.decode();
    } finally {
      if (before) URL.revokeObjectURL(before);
    }
    this.tag = reply.headers.get("ETag") ?? "";
    this.image.hidden = false;
    this.waiting.hidden = true;
    this.draw(found);
  }

  draw(found) {
    const counts = new Map();
    for (const one of found) counts.set(one.label, (counts.get(one.label) ?? 0) + 1);
    const words = [...counts].map(([label, count]) => (count > 1 ? `${count} × ${label}` : label)).join(", ");
    if (this.found.textContent !== words) this.found.textContent = words;
    this.image.alt = words ? `Live picture of ${this.name}, with ${words}` : `Live picture of ${this.name}`;
    this.boxes.replaceChildren(...found.map(framed));
  }
}

function framed(one) {
  const [left, top, right, bottom] = one.box;
  const frame = el("div", { class: "box" }, el("span", { text: `${one.label} ${percent(one.score)}` }));
  Object.assign(frame.style, {
    left: `${left * 100}%`, top: `${top * 100}%`,
    width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%`,
  });
  frame.classList.toggle("low", top < 0.08);
  return frame;
}

at("show-boxes").addEventListener("change", (event) => {
  at("cameras").classList.toggle("plain", !event.target.checked);
});
