// An alert from close: its picture, its film, what the box may learn of it.

import { can } from "./abilities.js";
import { ask, file } from "./api.js";
import { at, clock, el } from "./dom.js";
import { Film } from "./film.js";
import { keep } from "./teach.js";
import { sentence } from "./words.js";

const LEAST = 0.03;
const SIDE = 640;

let film = null;
let part = null;

/** Show an alert. */
export function view(event) {
  const image = el("img", { alt: `Picture of the alert: ${sentence(event)}`, onload: () => URL.revokeObjectURL(image.src) });
  const stage = el("div", { class: "screen" }, image);
  const note = el("p", { class: "small muted", role: "status" });
  const actions = el("div", { class: "row" });
  if (event.clip) actions.append(el("button", { class: "primary", type: "button", text: "Play the film", onclick: (click) => play(event, stage, note, click.currentTarget) }));
  if (can("teach")) actions.append(el("button", { type: "button", text: "Teach from this", onclick: () => choose(event, stage, note, actions) }));
  at("viewer").replaceChildren(
    el("div", { class: "section-head" }, el("h2", { id: "viewer-title", text: sentence(event) }), el("button", { class: "quiet", type: "button", text: "Close", onclick: () => at("viewer").close() })),
    el("p", { class: "small muted", text: `${clock(event.at)} · ${event.source}` }),
    stage, actions, note,
  );
  at("viewer").showModal();
  file(`v1/events/${event.id}/snapshot`).then((url) => { image.src = url; }, (error) => { note.textContent = error.message; });
}

at("viewer").addEventListener("close", () => {
  film?.stop();
  film = null;
  part?.picture.close();
  part = null;
});

async function play(event, stage, note, button) {
  button.disabled = true;
  try {
    film?.stop();
    film = film?.of === event.id ? film : new Film(event.id, await (await ask(`v1/events/${event.id}/clip`)).arrayBuffer());
    film.canvas.setAttribute("aria-label", `Film of the alert: ${sentence(event)}`);
    stage.replaceChildren(film.canvas);
    await film.play();
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

/** Let the owner mark a part of the picture as it was, without boxes. */
async function choose(event, stage, note, actions) {
  try {
    film?.stop();
    const blob = await (await ask(`v1/events/${event.id}/snapshot?boxes=false`)).blob();
    part = { picture: await createImageBitmap(blob), frame: el("div", { class: "part", hidden: true }), box: [0, 0, 1, 1] };
    const canvas = el("canvas", { role: "img", "aria-label": "The picture without boxes" });
    [canvas.width, canvas.height] = [part.picture.width, part.picture.height];
    canvas.getContext("2d").drawImage(part.picture, 0, 0);
    const holder = el("div", { class: "marking" }, canvas, part.frame);
    holder.addEventListener("pointerdown", (pressed) => mark(pressed, holder));
    stage.replaceChildren(holder);
    actions.replaceChildren(el("button", { class: "primary", type: "button", text: "Keep for teaching", onclick: () => take(note) }));
    note.textContent = "Draw a frame around the thing, then keep it. Without a frame the whole picture is kept.";
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = error.message;
  }
}

function mark(pressed, holder) {
  pressed.preventDefault();
  const bounds = holder.getBoundingClientRect();
  const place = (event) => [
    Math.min(Math.max((event.clientX - bounds.left) / bounds.width, 0), 1),
    Math.min(Math.max((event.clientY - bounds.top) / bounds.height, 0), 1),
  ];
  const [x, y] = place(pressed);
  const marked = part;
  const move = (event) => {
    const [other, below] = place(event);
    const box = [Math.min(x, other), Math.min(y, below), Math.max(x, other), Math.max(y, below)];
    const large = box[2] - box[0] > LEAST && box[3] - box[1] > LEAST;
    marked.box = large ? box : [0, 0, 1, 1];
    marked.frame.hidden = !large;
    Object.assign(marked.frame.style, {
      left: `${box[0] * 100}%`, top: `${box[1] * 100}%`, width: `${(box[2] - box[0]) * 100}%`, height: `${(box[3] - box[1]) * 100}%`,
    });
  };
  holder.setPointerCapture(pressed.pointerId);
  holder.addEventListener("pointermove", move);
  const done = () => holder.removeEventListener("pointermove", move);
  holder.addEventListener("pointerup", done, { once: true });
  holder.addEventListener("pointercancel", done, { once: true });
}

async function take(note) {
  const { picture, box } = part;
  const [left, top] = [Math.floor(box[0] * picture.width), Math.floor(box[1] * picture.height)];
  const [width, height] = [Math.max(Math.round((box[2] - box[0]) * picture.width), 1), Math.max(Math.round((box[3] - box[1]) * picture.height), 1)];
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const canvas = el("canvas");
  [canvas.width, canvas.height] = [Math.max(Math.round(width * scale), 1), Math.max(Math.round(height * scale), 1)];
  canvas.getContext("2d").drawImage(picture, left, top, width, height, 0, 0, canvas.width, canvas.height);
  const count = keep(await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92)));
  note.textContent = `Kept, ${count} so far. Give them a name under Box, Teach.`;
}
