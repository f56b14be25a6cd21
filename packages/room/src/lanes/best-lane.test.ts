import assert from "node:assert/strict";
import { test } from "node:test";
import { BestLane, type BestLaneOptions } from "./best-lane.ts";
import { ImpairedLane } from "./impaired-lane.ts";
import { type Carrier, type Lane, LaneEvents, type LaneState } from "./lane.ts";
import { LinkModel } from "./link-model.ts";
import { SessionLane } from "./session-lane.ts";

function fail(error: unknown): void {
  throw error;
}

/** A lane whose state the test says. */
class FakeLane implements Lane {
  readonly carrier: Carrier;
  readonly maxMessageBytes: number;
  readonly events: LaneEvents;
  readonly sent: string[] = [];

  constructor(carrier: Carrier, state: LaneState, maxMessageBytes = 1_150) {
    this.carrier = carrier;
    this.maxMessageBytes = maxMessageBytes;
    this.events = new LaneEvents(state, fail);
  }

  get state(): LaneState {
    return this.events.state;
  }

  send(bytes: Uint8Array): boolean {
    if (this.state !== "open") return false;
    this.sent.push(Buffer.from(bytes).toString());
    return true;
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.events.onMessage(handler);
  }

  onState(handler: (state: LaneState) => void): void {
    this.events.onState(handler);
  }

  close(): void {
    this.events.become("closed");
  }
}

/** Timers that the test makes come. */
class Timers {
  readonly delays: number[] = [];
  #callback: (() => void) | undefined;

  readonly clock = {
    now: () => 0,
    setTimer: (callback: () => void, delayMs: number) => {
      this.delays.push(delayMs);
      this.#callback = callback;
      return () => (this.#callback = undefined);
    },
  };

  get isWaiting(): boolean {
    return this.#callback !== undefined;
  }

  /** The timer comes, and what it begins is over. */
  async come(): Promise<void> {
    const callback = this.#callback;
    this.#callback = undefined;
    callback?.();
    await settled();
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function best(last: Lane, options: Partial<BestLaneOptions> = {}) {
  const lane = new BestLane(last, { onError: fail, ...options });
  const told: string[] = [];
  lane.onState((state) => told.push(`${lane.carrier} ${state}`));
  return { lane, told };
}

test("the better lane carries while it is open, the last resort whenever it is not", () => {
  const last = new FakeLane("session", "open");
  const { lane, told } = best(last);
  const udp = new FakeLane("udp", "probing");
  lane.use(udp);
  for (const state of ["open", "silent", "open"] as const) {
    lane.send(Buffer.from(udp.state));
    udp.events.become(state);
  }
  lane.send(Buffer.from("now"));
  assert.deepEqual(last.sent, ["probing", "silent"]);
  assert.deepEqual(udp.sent, ["open", "now"]);
  assert.deepEqual(told, ["udp open", "session open", "udp open"]);
});

test("what comes by either is given, whichever carries", () => {
  const last = new FakeLane("session", "open");
  const udp = new FakeLane("udp", "silent");
  const { lane } = best(last);
  lane.use(udp);
  const came: string[] = [];
  lane.onMessage((bytes) => came.push(String(bytes)));
  udp.events.message(Buffer.from("udp"));
  last.events.message(Buffer.from("session"));
  assert.deepEqual(came, ["udp", "session"]);
});

test("a lane that is replaced is closed, and heard no more", () => {
  const { lane, told } = best(new FakeLane("session", "open"));
  const first = new FakeLane("udp", "open");
  const second = new FakeLane("webrtc", "open");
  lane.use(first);
  lane.use(second);
  assert.equal(first.state, "closed");
  assert.deepEqual([lane.carrier, lane.state, told], ["webrtc", "open", ["udp open", "webrtc open"]]);
});

test("the lane that carries is told how old acknowledgements are", () => {
  const ages: string[] = [];
  const told = (carrier: Carrier): Lane =>
    Object.assign(new FakeLane(carrier, "open"), {
      acknowledged: (ms: number) => ages.push(`${carrier} ${ms}`),
    });
  const { lane } = best(new FakeLane("session", "open"));
  lane.acknowledged(1);
  const webRtc = told("webrtc");
  lane.use(webRtc);
  new ImpairedLane(lane, { up: new LinkModel(1), down: new LinkModel(1) }).acknowledged(2);
  webRtc.close();
  lane.acknowledged(3);
  lane.use(told("udp"));
  lane.acknowledged(4);
  assert.deepEqual(ages, ["webrtc 2", "udp 4"]);
});

test("a message has to fit whichever lane carries it", () => {
  const last = new FakeLane("session", "open", 1_000);
  const { lane } = best(last);
  assert.deepEqual([lane.send(Buffer.alloc(1_000)), lane.send(Buffer.alloc(1_001))], [true, false]);
  lane.use(new FakeLane("udp", "open", 500));
  assert.deepEqual([lane.maxMessageBytes, lane.send(Buffer.alloc(501))], [500, false]);
});

test("a better lane is asked for at the start and after it has closed, ever more rarely until one opens", async () => {
  const timers = new Timers();
  const lanes: FakeLane[] = [];
  const errors: unknown[] = [];
  let mode: "lane" | "none" | "throws" = "lane";
  const better = (): Promise<Lane | undefined> => {
    if (mode === "throws") return Promise.reject(new Error("no ticket"));
    if (mode === "none") return Promise.resolve(undefined);
    const lane = new FakeLane("udp", "probing");
    lanes.push(lane);
    return Promise.resolve(lane);
  };
  const options = { better, clock: timers.clock, onError: (error: unknown) => errors.push(error) };
  const { lane } = best(new FakeLane("session", "open"), options);
  await settled();
  assert.equal(timers.isWaiting, false);
  lanes[0]?.events.become("silent");
  assert.equal(timers.isWaiting, false);
  lanes[0]?.close();
  for (const next of ["none", "throws", "none", "none", "lane"] as const) {
    mode = next;
    await timers.come();
  }
  lanes[1]?.events.become("open");
  assert.deepEqual([lane.carrier, lane.state], ["udp", "open"]);
  lanes[1]?.close();
  assert.deepEqual(timers.delays, [5_000, 10_000, 20_000, 40_000, 60_000, 5_000]);
  assert.deepEqual(errors.map(String), ["Error: no ticket"]);
  lane.close();
  assert.equal(timers.isWaiting, false);
});

test("closing closes both; a lane that comes afterwards is closed at once", async () => {
  const last = new FakeLane("session", "open");
  let give: (lane: Lane) => void = () => assert.fail();
  const better = () => new Promise<Lane>((resolve) => (give = resolve));
  const { lane, told } = best(last, { better });
  const udp = new FakeLane("udp", "open");
  lane.use(udp);
  lane.close();
  const late = new FakeLane("udp", "probing");
  give(late);
  await settled();
  assert.deepEqual([last.state, udp.state, late.state, lane.state], Array(4).fill("closed"));
  assert.deepEqual(told.at(-1)?.endsWith("closed"), true);
  assert.equal(lane.send(Buffer.of(1)), false);
});

test("a session that ends does not end what a better lane carries; without one it does", () => {
  const last = new FakeLane("session", "open");
  const { lane } = best(last);
  const udp = new FakeLane("udp", "open");
  lane.use(udp);
  last.close();
  assert.equal(lane.state, "open");
  udp.close();
  assert.equal(lane.state, "closed");
});

test("a lane over the session is as open as it is connected, and takes what the session takes", () => {
  const sent: Uint8Array[] = [];
  let takes = true;
  const carrier = { send: (bytes: Uint8Array) => takes && sent.push(bytes) > 0 };
  const lane = new SessionLane(carrier, fail);
  const came: number[] = [];
  lane.onMessage((bytes) => came.push(bytes.length));
  assert.deepEqual([lane.send(Buffer.alloc(1_150)), lane.send(Buffer.alloc(1_151))], [true, false]);
  takes = false;
  assert.equal(lane.send(Buffer.of(1)), false);
  takes = true;
  lane.connected(false);
  assert.deepEqual([lane.state, lane.send(Buffer.of(1))], ["silent", false]);
  lane.connected(true);
  assert.equal(lane.send(Buffer.of(1)), true);
  for (const length of [1_150, 1_151, 0]) lane.received(Buffer.alloc(length));
  lane.close();
  lane.received(Buffer.of(1));
  lane.connected(true);
  assert.deepEqual([came, lane.state, sent.length], [[1_150, 0], "closed", 2]);
});
