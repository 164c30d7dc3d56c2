// Events in words.

import { capital, lasting } from "./dom.js";

const UNUSUAL = {
  picture: "Something looks unusual", place: "Something is in an unusual place", time: "Something comes at an unusual time",
  sound: "An unusual sound",
};

/** Tell whether an event is an alert: something that its owner may have an opinion on. */
export const isAlert = (event) => event.alert;

/** Tell whether an event's score is a probability. */
export const isSure = (event) => event.score !== null && ["object", "sound", "intent"].includes(event.kind);

/** Who answered, in words. */
export const ORIGINS = { local: "Answered here", cloud: "Asked the cloud", abstained: "Not sure enough" };

/** Return an event as a sentence. */
export function sentence(event) {
  const tell = WORDS[event.kind];
  return capital(tell ? tell(event.data, event.label ?? "something", event) : event.kind.replaceAll("_", " "));
}

/** Leave out which camera it is, and where: the line begins with its name. */
const withoutAddress = (reason) => reason.replace(/^camera \S+ at \S+:\/\/\S+ /, "");

const named = (name) => String(name ?? "").replaceAll("_", " ");

const WORDS = {
  object: (data, label) => (data.type === "end" ? `${label} gone after ${lasting(data.seen_s ?? 0)}` : `${label} appeared`),
  zone: (data, label) => (data.type === "leave" ? `${label} left ${named(data.zone)}` : `${label} entered ${named(data.zone)}`),
  line: (data, label) => `${label} crossed ${named(data.line)}, ${named(data.direction)}`,
  alert: (data) => `${data.prompt ?? "an alert"}${data.confirmed ? ", confirmed by a second look" : ""}`,
  alert_denied: (data) => `${data.prompt ?? "an alert"}, but a second look denies it`,
  anomaly: (data, label, event) => (UNUSUAL[data.unusual] ?? "Something is unusual") + (event.label ? `: ${label}` : ""),
  sound: (_, label) => `heard: ${label}`,
  intent: (data) => `heard “${data.transcript ?? ""}”${data.intent ? "" : ", and did not understand"}`,
  wake: (data, label) => `woken by “${data.word ?? label}”`,
  answered: (data) => `“${data.question ?? ""}”`,
  source_status: (data, _, event) => `${event.source} is ${named(data.status)}${data.reason ? `: ${withoutAddress(data.reason)}` : ""}`,
  timer_finished: (data) => data.said ?? "a timer has ended",
  switch: (data) => `${named(data.switch)} switched ${data.on ? "on" : "off"}`,
  feedback: (data) => (data.verdict === "fine" ? "you said: that was fine" : "you said: that was right"),
  gate_drift: () => "questions are no longer like those that the box was fitted to",
};
