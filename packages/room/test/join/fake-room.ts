// A server of one room, and sessions with it, made of the real snapshots and inputs: for tests of the client.
import { Random } from "@zocalo/integrity";
import type { Json } from "@zocalo/protocol";
import { type JoinAnswer, type JoinRequest, LANE } from "../../src/contracts/wire.ts";
import { Outbox } from "../../src/host/outbox.ts";
import { InputBuffer } from "../../src/input/buffer.ts";
import { InputReport } from "../../src/input/report.ts";
import type { LaneClock } from "../../src/lanes/running-time.ts";
import { defineGame } from "../../src/schema/game.ts";
import { int, number } from "../../src/schema/numbers.ts";
import { vector } from "../../src/schema/vector.ts";
import type { EntityOf } from "../../src/schema/types.ts";
import type { Receiver } from "../../src/snapshot/receiver.ts";
import { DEFAULT_BUDGET_BYTES, Snapshots } from "../../src/snapshot/snapshots.ts";
import type { Clock } from "../../src/timing/clock.ts";
import { Ticker } from "../../src/timing/ticker.ts";
import { Link, type LinkOptions } from "../time/link.ts";
import { VirtualClock } from "../time/virtual-clock.ts";
import { FakeSession } from "./fake-session.ts";

const place = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });
export const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    orb: { at: place },
    player: { at: place, steps: int(0, 1_000_000) },
  },
  input: { move: number({ min: -1, max: 1, precision: 0.01 }) },
  apply(player, input) {
    player.at.x += 0.2 * input.move;
    player.steps += input.move === 0 ? 0 : 1;
  },
});
type Kinds = typeof game.definition.kinds;

const OF_THE_SESSION = ["closed", "connection_lost", "deadline_exceeded", "unavailable", "unknown_method"];

/** What the server refuses a call with: its program, or the session. */
export class Refusal extends Error {
  readonly code: string;
  readonly data: unknown;

  constructor(code: string, data?: unknown) {
    super(code);
    this.name = OF_THE_SESSION.includes(code) ? "ChannelError" : "CallError";
    this.code = code;
    this.data = data;
  }
}

/** The place of one key. */
interface Seat {
  readonly seat: number;
  outbox: Outbox;
  session: FakeSession;
  player: EntityOf<Kinds, "player"> | undefined;
  incarnation: string;
  buffer: InputBuffer;
  receiver: Receiver;
}

export interface FakeRoomOptions {
  readonly seed: number;
  readonly link?: Partial<LinkOptions>;
}

/** A room for any who comes. */
export class FakeRoom {
  readonly clock = new VirtualClock(1_000);
  readonly seats = new Map<string, Seat>();
  readonly requests: JoinRequest[] = [];
  readonly laneRequests: unknown[] = [];
  readonly events: unknown[] = [];
  left = 0;
  /** No inputs arrive. */
  isDeaf = false;
  /** No snapshots are sent. */
  isMute = false;
  /** Answers a join in its own way. */
  answers: ((request: JoinRequest) => unknown) | undefined;
  /** Whether the server knows at once that a connection is lost. */
  knowsOfLosses = true;
  world = game.world();
  orb = this.world.add("orb");
  ticker: Ticker;
  process = "p1";
  #snapshots = new Snapshots(this.world);
  #incarnations = 0;
  readonly #random: Random;
  readonly #link: LinkOptions;
  readonly #out = new Uint8Array(DEFAULT_BUDGET_BYTES);
  readonly #report = new InputReport();
  readonly #serverClock: Clock = {
    uptime: () => this.clock.uptime() + 54_321,
    after: (ms, run) => this.clock.after(ms, run),
  };

  constructor({ seed, link }: FakeRoomOptions) {
    this.#random = new Random(seed);
    this.#link = { wayMs: 40, jitterMs: 3, loss: 0, burstsPerSecond: 0.01, burstMs: 0, ...link };
    this.ticker = this.#begin(1_000);
  }

  /** For `JoinOptions.clock`. */
  get laneClock(): LaneClock {
    return {
      now: () => this.clock.uptime(),
      setTimer: (run, ms) => this.clock.after(ms, run),
    };
  }

  session(): FakeSession {
    const way = (): Link => new Link(this.clock, new Random(this.#random.fork()), this.#link);
    return new FakeSession(this, way(), way());
  }

  /** The process ends, and another goes on with the world as it is at this tick. */
  restart(fromTick: number): void {
    this.ticker.stop();
    this.process += "'";
    this.#snapshots = new Snapshots(this.world);
    this.ticker = this.#begin(fromTick);
    for (const seat of this.seats.values()) seat.incarnation = "gone";
  }

  /** The room says something to all. */
  say(data: Json): void {
    for (const seat of this.seats.values()) {
      seat.outbox.say(data, this.#sender(seat));
    }
  }

  #sender({ outbox: { log }, session }: Seat) {
    return (number: number, text: string): boolean =>
      session.message("room.event", { log, number, data: JSON.parse(text) }, this.knowsOfLosses);
  }

  /** What was said is handed over to another process: as much of it. With the first its connections end. */
  handOverEvents(characters: number): void {
    for (const seat of this.seats.values()) {
      seat.session.lose();
      seat.outbox = Outbox.restore(seat.outbox.save(characters), seat.outbox.log + "'");
    }
  }

  /** What a call is answered with. */
  call(session: FakeSession, method: string, input: unknown): unknown {
    switch (method) {
      case "room.join":
        return this.#join(session, input as JoinRequest);
      case LANE:
        this.laneRequests.push(input);
        return null;
      case "room.leave":
        this.left += 1;
        return {};
      case "room.event":
        this.events.push(input);
        return {};
      default:
        throw new Refusal("unknown_method");
    }
  }

  cast(session: FakeSession, bytes: Uint8Array): void {
    if (this.isDeaf) return;
    for (const seat of this.seats.values()) {
      if (seat.session === session && !seat.buffer.receive(bytes, this.ticker.position())) {
        throw new Error("a packet was refused");
      }
    }
  }

  #join(session: FakeSession, request: JoinRequest): unknown {
    this.requests.push(request);
    if (this.answers !== undefined) return this.answers(request);
    if (request.hash !== game.layout.hash) throw new Refusal("other_version", { version: 2 });
    const known = this.seats.get(request.key);
    const isKept = known !== undefined && known.incarnation === request.incarnation;
    const seat: Seat = {
      seat: request.watch === true ? -1 : this.seats.size,
      player: request.watch === true ? undefined : this.world.add("player", { at: [50, 50] }),
      ...known,
      ...(!isKept && {
        incarnation: `i${++this.#incarnations}`,
        buffer: new InputBuffer(game.input.cells),
        receiver: this.#snapshots.everything.receiver(),
      }),
      session,
      outbox: known?.outbox ?? new Outbox(`e${this.seats.size}`),
    } as Seat;
    this.seats.set(request.key, seat);
    return {
      room: "r1",
      mode: request.mode,
      seat: seat.seat,
      tick: this.#snapshots.tick,
      process: this.process,
      isPrivate: false,
      isReturn: known !== undefined,
      incarnation: seat.incarnation,
      events: { log: seat.outbox.log, number: seat.outbox.rejoin(request.heard) },
    } satisfies JoinAnswer;
  }

  #begin(firstTick: number): Ticker {
    const ticker = new Ticker(
      { clock: this.#serverClock, ticksPerSecond: game.ticksPerSecond, firstTick },
      (tick) => this.#tick(tick),
    );
    ticker.start();
    return ticker;
  }

  #tick(tick: number): void {
    this.orb.at.x = (tick % 1_000) / 10;
    for (const { buffer, player } of this.seats.values()) {
      buffer.take(tick, (row) => {
        if (player?.isAlive === true) game.apply?.(player, game.input.fromCells(row, 0), this.world);
      });
    }
    this.#snapshots.commit(tick);
    for (const seat of this.seats.values()) this.#send(seat, tick);
  }

  #send(seat: Seat, tick: number): void {
    const { buffer, receiver, player, outbox } = seat;
    const report = this.#report;
    outbox.go(this.#sender(seat));
    receiver.acknowledge(buffer.frames.tick, buffer.frames.bits);
    buffer.report(tick, report);
    report.own = player?.isAlive === true ? this.#snapshots.everything.idOf(player.slot) : -1;
    const length = receiver.encode(this.#out, report);
    if (length > 0 && !this.isMute) seat.session.push(this.#out.slice(0, length));
  }
}
