import type { Happening } from "../play/happenings.ts";

/** How loud everything is together, 0 to 1. */
const VOLUME = 0.22;
/** Sounds that begin at the same time; more are not heard apart. */
const MOST_AT_ONCE = 6;
const SOON_S = 0.05;

/** What each thing sounds like: where a tone begins and ends, in Hz, how long, in seconds, and how loud. */
interface Tone {
  readonly wave: OscillatorType;
  readonly from: number;
  readonly to: number;
  readonly lasts: number;
  readonly loud: number;
  readonly after?: number;
}

const TONES: Partial<Record<Happening, readonly Tone[]>> = {
  throw: [{ wave: "triangle", from: 520, to: 240, lasts: 0.09, loud: 0.3 }],
  splat: [{ wave: "square", from: 190, to: 90, lasts: 0.05, loud: 0.1 }],
  strike: [{ wave: "triangle", from: 170, to: 130, lasts: 0.12, loud: 0.6 }],
  burst: [
    { wave: "sawtooth", from: 120, to: 60, lasts: 0.3, loud: 0.5 },
    { wave: "triangle", from: 660, to: 660, lasts: 0.12, loud: 0.5, after: 0.08 },
    { wave: "triangle", from: 880, to: 880, lasts: 0.12, loud: 0.5, after: 0.17 },
    { wave: "triangle", from: 1_100, to: 1_100, lasts: 0.22, loud: 0.5, after: 0.26 },
  ],
  hit: [{ wave: "square", from: 320, to: 140, lasts: 0.14, loud: 0.3 }],
  land: [{ wave: "triangle", from: 1_180, to: 1_480, lasts: 0.07, loud: 0.35 }],
  out: [{ wave: "sawtooth", from: 420, to: 70, lasts: 0.45, loud: 0.4 }],
  back: [{ wave: "sine", from: 330, to: 660, lasts: 0.22, loud: 0.4 }],
  dash: [{ wave: "sine", from: 240, to: 620, lasts: 0.14, loud: 0.3 }],
  steal: [{ wave: "square", from: 700, to: 980, lasts: 0.12, loud: 0.3 }],
  pick: [{ wave: "sine", from: 780, to: 1_040, lasts: 0.09, loud: 0.4 }],
  bring: [{ wave: "triangle", from: 990, to: 1_320, lasts: 0.12, loud: 0.5 }],
  treat: [
    { wave: "sine", from: 520, to: 520, lasts: 0.1, loud: 0.4 },
    { wave: "sine", from: 780, to: 780, lasts: 0.16, loud: 0.4, after: 0.09 },
  ],
  count: [{ wave: "triangle", from: 440, to: 440, lasts: 0.1, loud: 0.5 }],
  go: [{ wave: "triangle", from: 880, to: 880, lasts: 0.3, loud: 0.6 }],
  double: [
    { wave: "triangle", from: 660, to: 660, lasts: 0.14, loud: 0.5 },
    { wave: "triangle", from: 880, to: 880, lasts: 0.14, loud: 0.5, after: 0.15 },
    { wave: "triangle", from: 660, to: 660, lasts: 0.14, loud: 0.5, after: 0.3 },
  ],
  over: [
    { wave: "triangle", from: 523, to: 523, lasts: 0.2, loud: 0.5 },
    { wave: "triangle", from: 659, to: 659, lasts: 0.2, loud: 0.5, after: 0.18 },
    { wave: "triangle", from: 784, to: 784, lasts: 0.5, loud: 0.5, after: 0.36 },
  ],
};

/** Of what others do these are heard, more softly. */
const HEARD_OF_OTHERS: ReadonlySet<Happening> = new Set(["throw", "hit", "out", "dash"]);

/** Sounds, made as they are needed. Silent until a gesture, as browsers ask. */
export class Sound {
  #isOn = true;
  #context: AudioContext | undefined;
  #out: GainNode | undefined;
  #recent = 0;
  #recentSince = 0;

  get isOn(): boolean {
    return this.#isOn;
  }

  /** What sounds just now falls silent, too. */
  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    if (this.#out !== undefined) this.#out.gain.value = isOn ? VOLUME : 0;
  }

  /** To be called in a gesture. */
  wake(): void {
    if (!this.#isOn || typeof AudioContext === "undefined") return;
    if (this.#context === undefined) {
      this.#context = new AudioContext();
      this.#out = this.#context.createGain();
      this.#out.gain.value = VOLUME;
      this.#out.connect(this.#context.destination);
    }
    // Refused means silent; the next gesture asks again.
    this.#context.resume().catch(() => undefined);
  }

  /** @param isMine by or to whom plays here, or to everybody. */
  play(what: Happening, isMine: boolean): void {
    const context = this.#context;
    if (!this.#isOn || context === undefined || this.#out === undefined || context.state !== "running")
      return;
    if (!isMine && !HEARD_OF_OTHERS.has(what)) return;
    const now = context.currentTime;
    if (now - this.#recentSince > SOON_S) {
      this.#recentSince = now;
      this.#recent = 0;
    }
    if (++this.#recent > MOST_AT_ONCE) return;
    for (const tone of TONES[what] ?? []) sing(context, this.#out, tone, isMine ? 1 : 0.25);
  }
}

function sing(context: AudioContext, out: AudioNode, tone: Tone, share: number): void {
  const from = context.currentTime + (tone.after ?? 0);
  const until = from + tone.lasts;
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.type = tone.wave;
  oscillator.frequency.setValueAtTime(tone.from, from);
  oscillator.frequency.exponentialRampToValueAtTime(tone.to, until);
  gain.gain.setValueAtTime(0.0001, from);
  gain.gain.exponentialRampToValueAtTime(tone.loud * share, from + 0.012);
  gain.gain.exponentialRampToValueAtTime(0.0001, until);
  oscillator.connect(gain).connect(out);
  oscillator.start(from);
  oscillator.stop(until);
}
