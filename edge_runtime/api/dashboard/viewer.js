// An alert from close: its picture, its film, what the box may learn of it.

import { ask } from "./api.js";
import { at, clock, el } from "./dom.js";
import { Film } from "./film.js";
import { teach } from "./teach.js";
import { sentence } from "./words.js";

let film = null;

/** Show an alert; `picture` is the address of its snapshot. */
export function view(event, picture) {
  const image = el("img", { src: picture, alt: `Picture of the alert: ${sentence(event)}` });
  const stage = el("div", { class: "film" }, image);
  const note = el("p", { class: "small muted", role: "status" });
  const actions = el("div", { class: "row" });
  if (event.clip) actions.append(el("button", { class: "primary", type: "button", text: "Play the film", onclick: (click) => play(event, stage, note, click.currentTarget) }));
  const name = el("input", { id: "taught-name", type: "text", maxlength: 64, autocomplete: "off", placeholder: "our cat" });
  const form = el("form", { class: "row teach-row" }, el("label", { for: "taught-name", text: "Teach the box that this is" }), name, el("button", { type: "submit", text: "Teach" }));
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    await teach(name.value.trim(), [await (await ask(`v1/events/${event.id}/snapshot`)).blob()], note);
  });
  at("viewer").replaceChildren(
    el("div", { class: "section-head" }, el("h2", { id: "viewer-title", text: sentence(event) }), el("button", { class: "quiet", type: "button", text: "Close", onclick: () => at("viewer").close() })),
    el("p", { class: "small muted", text: `${clock(event.at)} · ${event.source}` }),
    stage, actions, form, note,
  );
  at("viewer").showModal();
}

at("viewer").addEventListener("close", () => {
  film?.stop();
  film = null;
});

async function play(event, stage, note, button) {
  button.disabled = true;
  try {
    film?.stop();
    film = film?.of === event.id ? film : new Film(event.id, await (await ask(`v1/events/${event.id}/clip`)).arrayBuffer());
    stage.replaceChildren(film.canvas);
    film.canvas.setAttribute("aria-label", `Film of the alert: ${sentence(event)}`);
    await film.play();
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}
