// Shows the box what something looks like.

import { ask } from "./api.js";
import { at, el } from "./dom.js";

/** Teach a name by pictures (blobs); `note` is where it is told what came of it. */
export async function teach(name, shown, note) {
  if (!name) {
    note.textContent = "Give it a name first.";
    return;
  }
  const form = new FormData();
  form.append("name", name);
  shown.forEach((blob, place) => form.append("file", blob, `picture-${place}.jpg`));
  note.textContent = "Learning…";
  try {
    const taught = await (await ask("v1/teach/picture", { method: "POST", body: form })).json();
    const count = `${taught.pictures} picture${taught.pictures === 1 ? "" : "s"}`;
    note.textContent = [`Learnt ${taught.name} from ${count}.`, ...taught.notes].join(" ");
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = error.message;
  }
}

/** Put the form into its card; `why` says why it cannot be, null where it can. */
export function showTeaching(why) {
  if (why) {
    at("teach").replaceChildren(el("p", { class: "empty", text: `Not available: ${why}.` }));
    return;
  }
  if (at("teach").querySelector("form")) return;
  const name = el("input", { id: "teach-name", type: "text", maxlength: 64, autocomplete: "off", required: true, placeholder: "our cat" });
  const files = el("input", { id: "teach-files", type: "file", accept: "image/jpeg,image/png,image/webp", multiple: true, required: true });
  const note = el("p", { class: "small muted", role: "status" });
  const form = el(
    "form", { class: "stack" },
    el("p", { class: "muted", text: "Show the box a few pictures of something, and it tells you when it sees it." }),
    el("label", { for: "teach-name", text: "Name" }), name,
    el("label", { for: "teach-files", text: "Pictures" }), files,
    el("button", { class: "primary", type: "submit", text: "Teach" }), note,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await teach(name.value.trim(), [...files.files], note);
  });
  at("teach").replaceChildren(form);
}
