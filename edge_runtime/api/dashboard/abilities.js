// What this box cannot do, and why; as long as it has not said so, nothing is offered.

let missing = null;

/** Take what the box says; returns whether that is new. */
export function learn(now) {
  const before = JSON.stringify(missing);
  missing = now;
  return JSON.stringify(now) !== before;
}

/** Tell whether the box can do something: zones, feedback, evidence, switches, teach, speech. */
export const can = (what) => missing !== null && !(what in missing);

/** Return why it cannot, null where it can. */
export const why = (what) => missing?.[what] ?? null;
