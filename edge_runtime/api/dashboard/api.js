// Talks to the box. The token goes into a header and nowhere else: never into an address, never into a cookie.

const KEY = "edge-token";
let token = null;
let open = false;
let onRefused = () => {};
let alive = new AbortController();

/** What went wrong, in words for people. */
export class Refused extends Error {
  constructor(message, status, waitS = 0) {
    super(message);
    this.status = status;
    this.waitS = waitS;
  }
}

/** Return whether a token was kept from an earlier visit. */
export function remembered() {
  try {
    token = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
  } catch {
    token = null; // Storage may be switched off; then the token lives as long as the page.
  }
  open = token !== null;
  return open;
}

/** Try a token; it is kept for this tab, or on this device where that is wanted. */
export async function logIn(given, stay) {
  token = given;
  alive = new AbortController();
  try {
    await get("v1/cameras");
  } catch (error) {
    token = null;
    throw error;
  }
  open = true;
  try {
    (stay ? localStorage : sessionStorage).setItem(KEY, given);
  } catch {
    // See above.
  }
}

/** Forget the token and end whatever is going on. */
export function logOut() {
  token = null;
  open = false;
  alive.abort();
  try {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  } catch {
    // See above.
  }
}

/** Call `take` when the box does not know the token any more. */
export function whenRefused(take) {
  onRefused = take;
}

/** Send a request; raises Refused with the box's own words where it says no. */
export async function ask(path, options = {}) {
  const began = alive;
  let reply;
  try {
    reply = await fetch(path, {
      cache: "no-store",
      credentials: "omit",
      ...options,
      headers: { Authorization: `Bearer ${token}`, ...options.headers },
      signal: began.signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The box cannot be reached. Is it on, and are you in its network?", 0);
  }
  if (reply.ok || reply.status === 304) return reply;
  const why = await words(reply);
  if (reply.status === 401 && open) onRefused();
  throw new Refused(why, reply.status, Number(reply.headers.get("Retry-After") ?? 0));
}

async function words(reply) {
  try {
    return (await reply.json()).error.message;
  } catch {
    return `The box answered with status ${reply.status}.`;
  }
}

/** Return JSON. */
export const get = async (path) => (await ask(path)).json();

/** Send JSON, return JSON. */
export async function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(path, { method, headers, body: JSON.stringify(body) })).json();
}

/** Return a file as an address that the page can show; whoever shows it lets it go with URL.revokeObjectURL. */
export const file = async (path) => URL.createObjectURL(await (await ask(path)).blob());

const SILENT_MS = 35000;

/** Call `take` with each event of a stream until it ends (server-sent events, read with the header that they need). */
export async function follow(path, onOpen, take) {
  const reply = await ask(path);
  onOpen();
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await soon(reader);
    if (done) return;
    const pieces = (held + value).split("\n\n");
    held = pieces.pop();
    for (const piece of pieces) {
      const lines = piece.split("\n").filter((line) => line.startsWith("data: "));
      if (lines.length) take(JSON.parse(lines.map((line) => line.slice(6)).join("\n")));
    }
  }
}

/** Read on; a box that does not even say that it lives, as after a phone has slept, is given up. */
async function soon(reader) {
  let timer;
  const silent = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Refused("The box has gone silent.", 0)), SILENT_MS);
  });
  try {
    return await Promise.race([reader.read(), silent]);
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
