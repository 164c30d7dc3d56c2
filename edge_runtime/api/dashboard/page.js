// The page: who is in, what is shown.

import { learn } from "./abilities.js";
import { logIn, logOut, remembered, whenRefused } from "./api.js";
import { stopAsking } from "./ask.js";
import { WORKERS, refreshBox, startBox, stopBox } from "./box.js";
import { at, capital } from "./dom.js";
import { addSource, showVerdicts, startEvents, stopEvents } from "./events.js";
import { refreshCameras, showAbilities, startLive, stopLive } from "./live.js";
import { stopTeaching } from "./teach.js";
import { editZones } from "./zones.js";

const VIEWS = ["watch", "box"];
let connected = true;
let box = null;

function showLogin(why = "") {
  at("app").hidden = true;
  at("login").hidden = false;
  at("login-error").textContent = why;
  at("token").value = "";
  at("token").focus();
}

function begin() {
  at("login").hidden = true;
  at("app").hidden = false;
  showView();
  startLive((camera) => editZones(camera, showAbilities));
  startEvents((now) => {
    connected = now;
    tellHealth();
  }, (event) => {
    if (["switch", "source_status"].includes(event.kind)) {
      refreshCameras();
      refreshBox();
    }
  });
  startBox((now) => {
    box = now;
    if (now) {
      at("box-name").textContent = now.name;
      document.title = `${now.name} · edge-runtime`;
      if (learn(now.missing)) {
        showAbilities();
        showVerdicts();
      }
      for (const [name, state] of Object.entries(now.parts)) if (state) addKnown(name);
    }
    tellHealth();
  });
}

function addKnown(name) {
  if (!(name in WORKERS) && !name.endsWith("-voice")) addSource(name);
}

function end(why) {
  logOut();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  stopLive();
  stopEvents();
  stopBox();
  stopAsking();
  stopTeaching();
  learn(null);
  document.title = "edge-runtime";
  showLogin(why);
}

function tellHealth() {
  const pill = at("health");
  const lost = Object.entries(box?.parts ?? {}).filter(([, state]) => state !== "online");
  let [words, kind] = ["All well", "good"];
  if (!connected || !box) [words, kind] = ["Not connected, trying again", "bad"];
  else if (lost.length) [words, kind] = [lost.map(([name, state]) => `${name} ${state}`).join(", "), "bad"];
  if (pill.textContent !== capital(words)) pill.textContent = capital(words);
  pill.className = `pill ${kind}`;
}

function showView() {
  const wanted = location.hash.slice(1);
  const view = VIEWS.includes(wanted) ? wanted : "watch";
  for (const name of VIEWS) at(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", () => {
  showView();
  scrollTo(0, 0);
});
at("logout").addEventListener("click", () => end(""));
whenRefused(() => end("The box does not know this token any more. Log in again."));

at("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = at("token").value.trim();
  if (!given) {
    at("login-error").textContent = "Type the token of this box.";
    at("token").focus();
    return;
  }
  at("login-error").textContent = "";
  const button = event.submitter ?? at("login-form").querySelector("button");
  button.disabled = true;
  try {
    await logIn(given, at("remember").checked);
    begin();
  } catch (error) {
    at("login-error").textContent = error.status === 401 ? "That is not the token of this box." : error.message;
    at("token").select();
  } finally {
    button.disabled = false;
  }
});

if (remembered()) begin();
else showLogin();
