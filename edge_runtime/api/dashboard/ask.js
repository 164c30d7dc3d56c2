// Questions and answers: who answered, how sure, at what price.

import { why as missing } from "./abilities.js";
import { ask, send } from "./api.js";
import { at, clock, el, percent } from "./dom.js";
import { Recording, whyNot } from "./speech.js";
import { ORIGINS } from "./words.js";

const KEPT = 20;
let recording = null;

at("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("question").value.trim();
  if (!text) {
    at("question").focus();
    return;
  }
  at("question").value = "";
  put(text);
});

async function put(text) {
  const answer = el("div", { class: "answer pending", text: "…" });
  const item = el("li", {}, el("p", { class: "asked", text }), answer);
  at("answers").prepend(item);
  while (at("answers").children.length > KEPT) at("answers").lastChild.remove();
  at("send").disabled = true;
  try {
    const reply = await send("POST", "v1/chat/completions", { model: "edge", messages: [{ role: "user", content: text }] });
    const { content, refusal } = reply.choices[0].message;
    answer.replaceChildren(el("p", { class: "said", text: content ?? refusal ?? "" }), told(reply.edge));
  } catch (error) {
    if (error.name === "AbortError") return;
    answer.replaceChildren(el("p", { class: "error", text: error.message }));
  } finally {
    answer.classList.remove("pending");
    at("send").disabled = false;
  }
}

/** Return who gave an answer, and how sure it is. */
export function told(edge) {
  const words = ORIGINS[edge.origin] ?? edge.origin;
  const whole = el("div", { class: "meta" }, el("span", { class: `origin ${edge.origin}`, "data-origin": edge.origin, text: words }));
  if (edge.origin !== "abstained") {
    const sure = el("span", { class: "sure", "data-confidence": edge.confidence, text: `${percent(edge.confidence)} sure` });
    whole.append(sure);
  }
  if (edge.origin === "cloud") whole.append(el("span", { text: edge.model ?? "" }));
  if (edge.cost_usd > 0) whole.append(el("span", { text: `${edge.cost_usd.toFixed(4)} USD` }));
  if (edge.cached) whole.append(el("span", { text: "bought earlier" }));
  whole.append(el("span", { text: `${edge.elapsed_s.toFixed(1)} s` }), el("span", { text: clock(Date.now() / 1000) }));
  for (const source of edge.sources ?? []) whole.append(el("span", { class: "source", text: `From ${source}` }));
  return whole;
}

at("speak").addEventListener("click", async () => {
  if (recording) {
    const made = recording;
    recording = null;
    await understand(made);
    return;
  }
  const why = whyNot() ?? missing("speech");
  if (why) {
    note(why);
    return;
  }
  try {
    recording = await Recording.begin(() => at("speak").click());
    note("Listening. Press the microphone again when you are done.");
    at("speak").setAttribute("aria-pressed", "true");
  } catch (error) {
    note(error.name === "NotAllowedError" ? "The browser may not use the microphone; allow it and try again." : error.message);
  }
});

async function understand(made) {
  at("speak").setAttribute("aria-pressed", "false");
  at("speak").disabled = true;
  note("Writing down what you said…");
  try {
    const form = new FormData();
    form.append("model", "edge");
    form.append("file", await made.end(), "speech.wav");
    const text = (await (await ask("v1/audio/transcriptions", { method: "POST", body: form })).json()).text.trim();
    note(text ? "" : "Nothing was understood. Say it again, a little closer.");
    if (text) await put(text);
  } catch (error) {
    if (error.name !== "AbortError") note(error.message);
  } finally {
    at("speak").disabled = false;
  }
}

function note(text) {
  at("speak-note").textContent = text;
}

/** Forget what was asked. */
export function stopAsking() {
  recording?.cancel();
  recording = null;
  at("speak").setAttribute("aria-pressed", "false");
  at("answers").replaceChildren();
  note("");
}
