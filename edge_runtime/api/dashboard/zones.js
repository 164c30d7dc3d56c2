// Draws zones on a live picture: by mouse, by finger, or by keyboard.

import { ask, get, send } from "./api.js";
import { announce, at, drawn, el, percent } from "./dom.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const FIRST = ["person", "cat", "dog", "car", "bicycle", "bird", "truck", "motorcycle"];
const STEP = 0.01;
const MOST_CORNERS = 64;

let editor = null;

/** Open the editor for a camera; `changed` is called when its zones have become others. */
export async function editZones(camera, changed) {
  editor = new Editor(camera, changed);
  at("zone-editor").replaceChildren(editor.head(), el("p", { class: "empty", text: "One moment…" }));
  at("zone-editor").showModal();
  try {
    await editor.load();
  } catch (error) {
    if (error.name !== "AbortError") at("zone-editor").lastChild.textContent = error.message;
  }
}

at("zone-editor").addEventListener("close", () => {
  if (editor?.picture) URL.revokeObjectURL(editor.picture);
  editor = null;
});

class Editor {
  constructor(camera, changed) {
    this.camera = camera;
    this.changed = changed;
    this.zones = { settings: [], drawn: [], labels: [] };
    this.clear();
  }

  clear() {
    this.corners = [];
    this.before = null;
  }

  head() {
    return el(
      "div", { class: "section-head" },
      el("h2", { id: "zone-title", text: `Zones of ${this.camera}` }),
      el("button", { class: "quiet", type: "button", text: "Close", onclick: () => at("zone-editor").close() }),
    );
  }

  async load() {
    const [zones, reply] = await Promise.all([
      get(`v1/cameras/${this.camera}/zones`),
      ask(`v1/cameras/${this.camera}/picture?width=1280`),
    ]);
    if (editor !== this) return;
    this.picture = URL.createObjectURL(await reply.blob());
    this.zones = zones;
    this.build();
    this.draw();
  }

  build() {
    this.image = el("img", { src: this.picture, alt: `Picture of ${this.camera} to draw on`, draggable: "false" });
    this.shapes = drawn("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.handles = el("div", { class: "handles" });
    this.stage = el("div", { class: "stage draw", id: "zone-stage" }, this.image, this.shapes, this.handles);
    this.stage.addEventListener("pointerdown", (event) => this.press(event));
    this.hint = el("p", { class: "small muted", id: "zone-hint", role: "status" });
    this.name = el("input", { id: "zone-name", type: "text", maxlength: 64, autocomplete: "off", spellcheck: "false", placeholder: "doorstep" });
    this.dwell = el("input", { id: "zone-dwell", type: "number", min: 0, max: 3600, step: 1, value: 0, inputmode: "numeric" });
    this.labels = el("div", { class: "labels" }, ...this.labelBoxes());
    this.error = el("p", { class: "error", role: "alert" });
    this.list = el("ul", { class: "zone-list", "aria-label": "Zones of this camera" });
    this.undo = el("button", { class: "quiet", type: "button", text: "Undo corner", onclick: () => this.pop() });
    const form = el(
      "form", { class: "stack" },
      el("div", { class: "row" },
        el("button", { class: "quiet", type: "button", text: "Add corner", onclick: () => this.insert() }), this.undo,
        el("button", { class: "quiet", type: "button", text: "Start anew", onclick: () => this.restart() })),
      el("label", { for: "zone-name", text: "Name of the zone" }), this.name,
      el("details", {}, el("summary", { text: "What counts" }),
        el("fieldset", {}, el("legend", { class: "small muted", text: "None ticked: everything counts." }), this.labels)),
      el("label", { for: "zone-dwell", text: "Seconds inside before it counts" }), this.dwell,
      this.error,
      el("button", { class: "primary", type: "submit", id: "zone-save", text: "Save zone" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    at("zone-editor").replaceChildren(
      this.head(),
      el("div", { class: "editor-grid" },
        el("div", {}, this.stage, this.hint), el("div", { class: "stack" }, form, el("h3", { text: "Zones so far" }), this.list)),
    );
  }

  labelBoxes() {
    const known = this.zones.labels;
    const sorted = [...FIRST.filter((one) => known.includes(one)), ...known.filter((one) => !FIRST.includes(one))];
    return sorted.map((label) => el("label", { class: "check" }, el("input", { type: "checkbox", value: label }), ` ${label}`));
  }

  place(event) {
    const frame = this.stage.getBoundingClientRect();
    const share = (value) => Math.round(Math.min(Math.max(value, 0), 1) * 1000) / 1000;
    return [share((event.clientX - frame.left) / frame.width), share((event.clientY - frame.top) / frame.height)];
  }

  press(event) {
    if (event.button) return;
    event.preventDefault();
    let number = event.target.dataset?.corner;
    if (number === undefined) {
      if (this.corners.length >= MOST_CORNERS) return;
      number = this.corners.push(this.place(event)) - 1;
    }
    number = Number(number);
    this.draw();
    this.handles.children[number]?.focus();
    this.stage.setPointerCapture(event.pointerId);
    const move = (moved) => {
      this.corners[number] = this.place(moved);
      this.draw();
    };
    this.stage.addEventListener("pointermove", move);
    const done = () => this.stage.removeEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", done, { once: true });
    this.stage.addEventListener("pointercancel", done, { once: true });
  }

  key(event, number) {
    const step = event.shiftKey ? 5 * STEP : STEP;
    const [right, down] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [0, 0];
    if (right || down) {
      const [x, y] = this.corners[number];
      const share = (value) => Math.round(Math.min(Math.max(value, 0), 1) * 1000) / 1000;
      this.corners[number] = [share(x + right), share(y + down)];
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.corners.splice(number, 1);
    } else {
      return;
    }
    event.preventDefault();
    this.draw();
    this.handles.children[Math.min(number, this.corners.length - 1)]?.focus();
  }

  /** Add a corner without a pointer: a triangle first, then the middle of the longest side. */
  insert() {
    if (this.corners.length >= MOST_CORNERS) return;
    const start = [[0.3, 0.7], [0.5, 0.3], [0.7, 0.7]];
    let number = this.corners.length;
    if (number < 3) {
      this.corners.push(start[number]);
    } else {
      const sides = this.corners.map((one, place) => [one, this.corners[(place + 1) % this.corners.length]]);
      const long = sides.map(([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]));
      const side = long.indexOf(Math.max(...long));
      const [one, other] = sides[side];
      number = side + 1;
      this.corners.splice(number, 0, [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2]);
    }
    this.draw();
    this.handles.children[number]?.focus();
  }

  pop() {
    this.corners.pop();
    this.draw();
  }

  restart() {
    this.clear();
    this.fill({ name: "", labels: [], dwell_s: 0 });
    this.draw();
  }

  fill(zone) {
    this.name.value = zone.name;
    this.dwell.value = zone.dwell_s;
    for (const box of this.labels.querySelectorAll("input")) box.checked = zone.labels.includes(box.value);
    this.error.textContent = "";
  }

  draw() {
    const line = (polygon, kind) => drawn("polygon", { class: kind, points: polygon.map((corner) => corner.join(",")).join(" ") });
    const others = [...this.zones.settings, ...this.zones.drawn.filter((zone) => zone !== this.before)];
    this.shapes.replaceChildren(...others.map((zone) => line(zone.polygon, "other")), line(this.corners, "mine"));
    while (this.handles.children.length > this.corners.length) this.handles.lastChild.remove();
    while (this.handles.children.length < this.corners.length) {
      const number = this.handles.children.length;
      this.handles.append(el("button", { class: "corner", type: "button", "data-corner": number, onkeydown: (event) => this.key(event, number) }));
    }
    this.corners.forEach(([x, y], number) => {
      const handle = this.handles.children[number];
      Object.assign(handle.style, { left: `${x * 100}%`, top: `${y * 100}%` });
      handle.setAttribute("aria-label", `Corner ${number + 1}: ${percent(x)} from the left, ${percent(y)} from the top`);
    });
    this.undo.disabled = !this.corners.length;
    this.hint.textContent = this.corners.length < 3
      ? "Tap the picture at each corner of the zone. By keyboard: Add corner, then the arrow keys."
      : `${this.corners.length} corners. Drag one, or move it with the arrow keys; Delete removes it.`;
    this.showList();
  }

  showList() {
    const rows = [
      ...this.zones.settings.map((zone) => el("li", {}, el("span", { text: zone.name }), el("span", { class: "small muted", text: "from the settings" }))),
      ...this.zones.drawn.map((zone) => el("li", {}, el("span", { text: zone.name }), el("span", { class: "row" },
        el("button", { class: "quiet", type: "button", "aria-label": `Change ${zone.name}`, text: "Change", onclick: () => this.change(zone) }),
        el("button", { class: "quiet", type: "button", "aria-label": `Remove ${zone.name}`, text: "Remove", onclick: () => this.put(this.zones.drawn.filter((one) => one !== zone), `Zone ${zone.name} removed.`) })))),
    ];
    this.list.replaceChildren(...(rows.length ? rows : [el("li", { class: "muted", text: "None yet." })]));
  }

  change(zone) {
    this.before = zone;
    this.corners = zone.polygon.map((corner) => [...corner]);
    this.fill(zone);
    this.draw();
  }

  async save() {
    const name = this.name.value.trim().replace(/\s+/g, "_");
    const taken = [...this.zones.settings, ...this.zones.drawn].some((zone) => zone !== this.before && zone.name === name);
    const wrong = this.corners.length < 3 ? "A zone needs at least three corners: tap the picture."
      : !NAME.test(name) ? "Give the zone a name of letters, digits, - and _."
      : taken ? `There is a zone ${name} already; choose another name.` : "";
    this.error.textContent = wrong;
    if (wrong) return;
    const labels = [...this.labels.querySelectorAll("input:checked")].map((box) => box.value);
    const zone = { ...this.before, name, polygon: this.corners, labels, dwell_s: Number(this.dwell.value) || 0 };
    const others = this.zones.drawn.filter((one) => one !== this.before);
    await this.put([...others, zone], `Zone ${name} saved. It counts from now on.`);
  }

  async put(zones, words) {
    try {
      const kept = await send("PUT", `v1/cameras/${this.camera}/zones`, { zones });
      if (editor !== this) return;
      this.zones = kept;
      this.changed();
      this.restart();
      this.hint.textContent = words;
      announce(words);
    } catch (error) {
      if (error.name !== "AbortError") this.error.textContent = error.message;
    }
  }
}
