// Shows the box what something looks like: pictures of the owner's, and parts of alerts that were kept on this page.

import { ask } from "./api.js";
import { at, el } from "./dom.js";

const kept = [];
let parts = null;

/** Keep a picture (a blob) until it is taught; returns how many are kept. */
export function keep(blob) {
  kept.push({ blob, url: URL.createObjectURL(blob) });
  showKept();
  return kept.length;
}

/** Forget what was kept. */
export function stopTeaching() {
  while (kept.length) URL.revokeObjectURL(kept.pop().url);
  parts = null;
}

function showKept() {
  if (!parts) return;
  parts.kept.replaceChildren(...kept.map((one, place) => el(
    "li", {}, el("img", { src: one.url, alt: `Picture ${place + 1} to teach with` }),
    el("button", {
      class: "quiet", type: "button", "aria-label": `Remove picture ${place + 1}`, text: "Remove",
      onclick: () => {
        URL.revokeObjectURL(one.url);
        kept.splice(kept.indexOf(one), 1);
        showKept();
      },
    }),
  )));
  parts.kept.hidden = !kept.length;
}

async function teach() {
  const name = parts.name.value.trim();
  const shown = [...kept.map((one) => one.blob), ...parts.files.files];
  if (!name || !shown.length) {
    parts.note.textContent = name ? "Choose pictures, or keep some from alerts." : "Give it a name first.";
    return;
  }
  const form = new FormData();
  form.append("name", name);
  shown.forEach((blob, place) => form.append("file", blob, `picture-${place}`));
  parts.note.textContent = "Learning…";
  parts.button.disabled = true;
  try {
    const taught = await (await ask("v1/teach/picture", { method: "POST", body: form })).json();
    parts.note.textContent = [`Learnt ${taught.name}.`, ...taught.notes].join(" ");
    while (kept.length) URL.revokeObjectURL(kept.pop().url);
    parts.form.reset();
    showKept();
  } catch (error) {
    if (error.name !== "AbortError") parts.note.textContent = error.message;
  } finally {
    parts.button.disabled = false;
  }
}

/** Put the form into its card; `why` says why it cannot be, null where it can. */
export function showTeaching(why) {
  if (why) {
    at("teach").replaceChildren(el("p", { class: "empty", text: `Not available: ${why}.` }));
    return;
  }
  if (parts) return;
  parts = {
    name: el("input", { id: "teach-name", type: "text", maxlength: 64, autocomplete: "off", placeholder: "our cat" }),
    files: el("input", { id: "teach-files", type: "file", accept: "image/jpeg,image/png,image/webp", multiple: true }),
    kept: el("ul", { class: "kept", "aria-label": "Pictures kept from alerts", hidden: true }),
    note: el("p", { class: "small muted", role: "status" }),
    button: el("button", { class: "primary", type: "submit", text: "Teach" }),
  };
  parts.form = el(
    "form", { class: "stack" },
    el("p", { class: "muted", text: "Show the box a few pictures of something and little else: three at least, ten are better. From an alert, open its picture and keep a part of it." }),
    el("label", { for: "teach-name", text: "What it is" }), parts.name,
    el("label", { for: "teach-files", text: "Pictures" }), parts.files,
    parts.kept, parts.button, parts.note,
  );
  parts.form.addEventListener("submit", (event) => {
    event.preventDefault();
    teach();
  });
  at("teach").replaceChildren(parts.form);
  showKept();
}
