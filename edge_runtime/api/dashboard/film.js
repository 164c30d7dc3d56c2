// Plays an AVI file of JPEG pictures, which no browser does by itself: RIFF chunks named ..dc hold one picture each.

const word = (view, place) => String.fromCharCode(...[0, 1, 2, 3].map((step) => view.getUint8(place + step)));

/** Return the pictures of an AVI file as blobs, and the milliseconds that each is shown. */
export function pictures(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 12 || word(view, 0) !== "RIFF" || word(view, 8) !== "AVI ") throw new Error("The film cannot be read.");
  const found = [];
  let each = 100;
  const walk = (start, end) => {
    let place = start;
    while (place + 8 <= end) {
      const name = word(view, place);
      const length = Math.min(view.getUint32(place + 4, true), end - place - 8);
      if (name === "LIST") walk(place + 12, place + 8 + length);
      else if (name === "avih") each = view.getUint32(place + 8, true) / 1000 || each;
      else if (name.endsWith("dc") && length) found.push(new Blob([new Uint8Array(buffer, place + 8, length)], { type: "image/jpeg" }));
      // An empty chunk leaves the last picture where it is.
      else if (name.endsWith("dc") && found.length) found.push(found.at(-1));
      place += 8 + length + (length % 2);
    }
  };
  walk(12, Math.min(8 + view.getUint32(4, true), buffer.byteLength));
  return { found, each };
}

/** A film on a canvas. */
export class Film {
  constructor(of, buffer) {
    this.of = of;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.read = pictures(buffer);
    this.turn = 0;
  }

  /** Play it once; ends early when stopped. */
  async play() {
    const turn = ++this.turn;
    const { found, each } = this.read;
    const context = this.canvas.getContext("2d");
    const began = performance.now();
    for (const [place, blob] of found.entries()) {
      const picture = await createImageBitmap(blob);
      if (turn !== this.turn) return;
      if (this.canvas.width !== picture.width) [this.canvas.width, this.canvas.height] = [picture.width, picture.height];
      context.drawImage(picture, 0, 0);
      picture.close();
      await new Promise((done) => setTimeout(done, Math.max(began + (place + 1) * each - performance.now(), 0)));
      if (turn !== this.turn) return;
    }
  }

  stop() {
    this.turn += 1;
  }
}
