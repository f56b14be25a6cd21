import { randomBytes } from "node:crypto";
import type { Session } from "@zocalo/client";
import {
  InputSender,
  type JoinAnswer,
  type Lane,
  sessionLane,
  SnapshotReader,
  type SnapshotNews,
} from "@zocalo/room";
import { Told } from "./told.ts";

/** What is used of a game here. */
interface RawGame {
  readonly layout: ConstructorParameters<typeof SnapshotReader>[0] & { readonly hash: number };
  readonly input: { readonly cells: ConstructorParameters<typeof InputSender>[0] };
}

export function newKey(): string {
  return randomBytes(16).toString("base64url");
}

/**
 * A player without the client object: the calls and the bytes by hand, so that it can cheat. It sends the
 * input of the tick that follows the newest snapshot, so it plays a tick or two late.
 */
export class RawPlayer {
  readonly game: RawGame;
  readonly session: Session;
  readonly key: string;
  reader: SnapshotReader;
  sender: InputSender;
  lane: Lane | undefined;
  answer: JoinAnswer | undefined;
  own = -1;
  /** What to send from now on; undefined: nothing. */
  row: Int32Array | undefined;
  /** Which moment it claims to see. */
  displayed: (tick: number) => number = (tick) => tick;
  /** Which input it says this is. */
  number: (tick: number) => number = (tick) => tick + 2;
  readonly ended: unknown[] = [];
  readonly events: unknown[] = [];
  readonly #told = new Told();
  readonly #out = new Uint8Array(1_150);

  constructor(session: Session, game: RawGame, key = newKey()) {
    this.game = game;
    this.session = session;
    this.key = key;
    this.reader = new SnapshotReader(game.layout);
    this.sender = new InputSender(game.input.cells);
    this.row = new Int32Array(game.input.cells.length);
    session.onMessage("room.ended", ({ data }) => {
      this.ended.push(data);
      this.#told.look();
    });
    session.onMessage("room.event", ({ data }) => {
      this.events.push(Object(data).data);
      this.#told.look();
    });
  }

  async join(request: object = {}): Promise<JoinAnswer> {
    const { key, game } = this;
    const usual = { mode: "square", hash: game.layout.hash, key, name: "Ana" };
    const before = this.answer?.incarnation;
    this.answer = await this.session.call<never>("room.join", { ...usual, ...request });
    const answer = this.answer as JoinAnswer;
    if (answer.incarnation !== before) {
      this.reader = new SnapshotReader(game.layout);
      this.sender = new InputSender(game.input.cells);
      this.own = -1;
    }
    this.lane?.close();
    this.lane = sessionLane(this.session, { onError: (error) => console.error(error) });
    this.lane.onMessage((bytes) => this.received(bytes));
    return answer;
  }

  received(bytes: Uint8Array): void {
    const news = this.reader.read(bytes);
    if (!news.ok) return;
    this.#learn(news);
    this.play(news.frame.tick);
    this.#told.look();
  }

  /** Sends the input that belongs to this tick. */
  play(tick: number): void {
    if (this.row === undefined) return;
    const number = this.number(tick);
    if (number > this.sender.newest) this.sender.add(number, this.row);
    const length = this.sender.write(this.#out, this.reader.acknowledgement, this.displayed(tick));
    if (length > 0) this.lane?.send(this.#out.subarray(0, length));
  }

  /** Resolves once this holds; it is asked after each snapshot and message. */
  until(holds: () => boolean): Promise<void> {
    return this.#told.until(holds);
  }

  /** Cells of its own entity in the newest snapshot. */
  get cells(): Int32Array | undefined {
    const { newest } = this.reader;
    if (newest === undefined || this.own < 0 || this.own >= newest.end) return undefined;
    const { stride } = newest.layout;
    return newest.cells.subarray(this.own * stride, (this.own + 1) * stride);
  }

  #learn(news: SnapshotNews): void {
    const { report } = news;
    if (report !== undefined && report.own >= 0) this.own = report.own;
  }
}
