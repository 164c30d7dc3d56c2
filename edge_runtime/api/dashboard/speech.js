// Records speech and makes a WAV file of it, which the box reads whatever the browser would have recorded.

const RATE_HZ = 16000;
const LONGEST_MS = 30000;

/** Return why there is no speech here, null where there is. */
export function whyNot() {
  if (!window.isSecureContext) {
    return "The browser gives no microphone to pages without encryption. Open the box by https, or type.";
  }
  return navigator.mediaDevices?.getUserMedia && window.MediaRecorder ? null : "This browser cannot record; type instead.";
}

/** Speech that is being recorded. */
export class Recording {
  /** Begin; `full` is called when it has become as long as it may be. */
  static async begin(full) {
    const made = new Recording();
    made.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    made.pieces = [];
    made.recorder = new MediaRecorder(made.stream);
    made.recorder.addEventListener("dataavailable", (event) => made.pieces.push(event.data));
    made.ended = new Promise((done) => made.recorder.addEventListener("stop", done));
    made.recorder.start();
    made.timer = setTimeout(full, LONGEST_MS);
    return made;
  }

  /** End and throw away. */
  cancel() {
    clearTimeout(this.timer);
    if (this.recorder.state !== "inactive") this.recorder.stop();
    for (const track of this.stream.getTracks()) track.stop();
  }

  /** End; returns a WAV file, mono, 16 bit, 16 kHz. */
  async end() {
    this.cancel();
    await this.ended;
    const context = new AudioContext();
    try {
      const whole = await context.decodeAudioData(await new Blob(this.pieces).arrayBuffer());
      const offline = new OfflineAudioContext(1, Math.max(Math.ceil(whole.duration * RATE_HZ), 1), RATE_HZ);
      const source = offline.createBufferSource();
      source.buffer = whole;
      source.connect(offline.destination);
      source.start();
      return wav((await offline.startRendering()).getChannelData(0));
    } finally {
      await context.close();
    }
  }
}

/** Return samples in -1 to 1 as a WAV file. */
function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const word = (place, text) => [...text].forEach((letter, step) => view.setUint8(place + step, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE_HZ, true);
  view.setUint32(28, RATE_HZ * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, step) => view.setInt16(44 + step * 2, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}
