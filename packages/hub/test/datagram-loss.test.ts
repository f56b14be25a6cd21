// Over datagrams anything may be lost, also that a log is another one now.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import type { Position, ServerMessage, Subscribed } from "@zocalo/protocol";
import { FakeClock, settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { FaultyEngine } from "./faulty-engine.ts";
import { square } from "./square.ts";

const CHANNEL = "quiet:x";

function open(random: Random) {
  const clock = new FakeClock();
  const engine = new FaultyEngine(clock, random, { maxDelayMs: 0, readFails: 0, publishFails: 0 });
  engine.isCalm = true;
  const plaza = square({ clock, engine, limits: { commandsPerSecond: 100_000, commandBurst: 100_000 } });
  /** What stands at a place of a log, as the engine committed it. */
  const truth = (epoch: string, offset: number) => engine.truth.get(`${CHANNEL} ${epoch}`)?.get(offset)?.data;
  return { ...plaza, engine, truth };
}

/** A client that does what `docs/protocol.md` says, behind a path that loses what it is told to. */
class Device {
  readonly conn: FakeConn;
  position: Position | undefined;
  /** What it took for a publication of its log. */
  readonly taken: { readonly epoch: string; readonly offset: number; readonly data: string }[] = [];
  #heard = 0;
  #asked = 0;
  #isAsking = false;

  constructor(conn: FakeConn) {
    this.conn = conn;
  }

  subscribe(): void {
    this.#isAsking = true;
    const since = this.position === undefined ? {} : { since: this.position };
    this.conn.say({ type: "subscribe", guest: true, channel: CHANNEL, id: ++this.#asked, ...since });
  }

  /** Hears what has come, but for what is lost. */
  hear(isLost: (message: ServerMessage) => boolean = () => false): void {
    for (; this.#heard < this.conn.received.length; this.#heard++) {
      const message = this.conn.received[this.#heard];
      if (message !== undefined && !isLost(message)) this.#take(message);
    }
  }

  #take(message: ServerMessage): void {
    if (message.type === "subscribed") return this.#subscribed(message);
    if (this.position === undefined) return;
    if (message.type === "gap") {
      const isNews = message.reset === true && message.epoch !== this.position.epoch;
      const isNext = message.epoch === this.position.epoch && message.from <= this.position.offset + 1;
      if (isNews || (isNext && message.to > this.position.offset))
        this.position = { epoch: message.epoch, offset: message.to };
    } else if (message.type === "publication") {
      const { epoch } = this.position;
      const { offset, data } = message;
      const isOfMyLog = (message.epoch ?? epoch) === epoch;
      if (!isOfMyLog || offset > this.position.offset + 1) {
        if (!this.#isAsking) this.subscribe();
        return;
      }
      if (offset <= this.position.offset) return;
      this.position = { epoch, offset };
      this.taken.push({ epoch, offset, data: JSON.stringify(data) });
    }
  }

  #subscribed({ id, epoch, offset, reset, gap }: Subscribed): void {
    if (id !== this.#asked) return;
    this.#isAsking = false;
    if (this.position === undefined || reset === true || gap !== undefined) this.position = { epoch, offset };
  }
}

test("where the datagram that tells of a new log is lost, its publications are not taken for the old one's", async () => {
  const { hub, conn, engine, truth } = open(new Random(1));
  const device = new Device(conn({ transport: "udp" }));
  device.subscribe();
  await settle();
  for (let count = 1; count <= 3; count++) await hub.publish(CHANNEL, `old ${count}`);
  await settle();
  device.hear();
  const old = device.position;
  assert.equal(old?.offset, 3);
  await engine.replace(CHANNEL);
  await settle();
  let lost = 0;
  const isReset = ({ type }: ServerMessage): boolean => type === "gap" && ++lost > 0;
  device.hear(isReset);
  assert.equal(lost, 1);
  // Those below 4 look as if they were late, and lost, too. The fourth is the next one by its offset.
  for (let count = 1; count <= 3; count++) await hub.publish(CHANNEL, `new ${count}`);
  await settle();
  device.hear(({ type }) => type === "publication");
  await hub.publish(CHANNEL, "new 4");
  for (let turn = 0; turn < 3; turn++) {
    await settle();
    device.hear();
  }
  for (const { epoch, offset, data } of device.taken) assert.equal(data, truth(epoch, offset));
  assert.deepEqual(
    device.taken.map(({ data }) => data),
    ["old 1", "old 2", "old 3", "new 1", "new 2", "new 3", "new 4"].map((data) => JSON.stringify(data)),
  );
  assert.notEqual(device.position?.epoch, old?.epoch);
  await hub.close();
});

test("over a path that loses three of ten datagrams, while logs are replaced, all that is taken is what stands there", async () => {
  let taken = 0;
  let replaced = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed);
    const { hub, conn, engine, truth, clock } = open(random);
    const device = new Device(conn({ transport: "udp" }));
    const step = async (lose: number): Promise<void> => {
      clock.advance(100); // It is paced.
      await settle();
      device.hear(() => random.chance(lose));
    };
    for (let count = 0; count < 60; count++) {
      if (random.chance(0.1)) {
        replaced++;
        await engine.replace(CHANNEL);
      } else await hub.publish(CHANNEL, `${seed} ${count}`);
      if (random.chance(0.2)) device.subscribe(); // as a client does now and then
      await step(0.3);
    }
    await hub.publish(CHANNEL, `${seed} last`);
    device.subscribe();
    for (let turn = 0; turn < 5; turn++) await step(0);
    for (const { epoch, offset, data } of device.taken) {
      assert.equal(data, truth(epoch, offset), `seed ${seed}: ${offset} of ${epoch}`);
    }
    const { epoch, head } = await engine.now(CHANNEL);
    assert.deepEqual(device.position, { epoch, offset: head }, `seed ${seed}`);
    taken += device.taken.length;
    await hub.close();
  }
  assert.ok(
    taken > 500 && replaced > 90,
    `${taken} were taken, of logs that were replaced ${replaced} times`,
  );
});

test("a publication on streams has no epoch, and one in datagrams the same for all who are told of it", async () => {
  const { hub, conn } = open(new Random(1));
  const [stream, ...devices] = [conn(), conn({ transport: "udp" }), conn({ transport: "udp" })];
  for (const one of [stream, ...devices]) {
    await one?.ask({ type: "subscribe", guest: true, channel: CHANNEL });
  }
  const { epoch } = await hub.publish(CHANNEL, { a: "1e400" });
  await settle();
  assert.deepEqual(Object.keys(stream?.all("publication")[0] ?? {}), [
    "type",
    "channel",
    "offset",
    "at",
    "user",
    "data",
  ]);
  for (const device of devices) {
    assert.deepEqual(device.all("publication"), [{ ...stream?.all("publication")[0], epoch }]);
  }
  await hub.close();
});
