import { LANE_NAME } from "../../src/lanes/session-lane.ts";
import type { RoomSession } from "../../src/join/options.ts";
import type { Link } from "../time/link.ts";
import { type FakeRoom, Refusal } from "./fake-room.ts";

type Handler = (message: { readonly data: unknown }) => void;
type State = { readonly name: string };

/** What a session of the SDK is to a room: calls that arrive in order, casts and snapshots that may not. */
export class FakeSession implements RoomSession {
  state: State = { name: "connected" };
  /** The next answers are lost. */
  lostAnswers = 0;
  casts = 0;
  /** The connection: what was sent by another one does not arrive. */
  #connection = 0;
  readonly #room: FakeRoom;
  readonly #up: Link;
  readonly #down: Link;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #listeners = new Set<(state: State) => void>();
  /** Calls that wait for a connection, and those that wait for an answer. */
  readonly #unsent = new Set<(refusal?: Refusal) => void>();
  readonly #asked = new Set<(refusal: Refusal) => void>();

  constructor(room: FakeRoom, up: Link, down: Link) {
    this.#room = room;
    this.#up = up;
    this.#down = down;
  }

  get handlers(): number {
    return [...this.#handlers.values()].reduce((sum, { size }) => sum + size, this.#listeners.size);
  }

  call(method: string, input?: unknown, options?: { readonly signal?: AbortSignal }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const sent = JSON.parse(JSON.stringify(input ?? {})) as unknown;
      const ask = (refusal?: Refusal): void => {
        this.#unsent.delete(ask);
        if (refusal !== undefined) settle(undefined, refusal);
        else if (this.state.name !== "connected") this.#unsent.add(ask);
        else this.#ask(method, sent, settle);
      };
      const abort = (): void => reject(options?.signal?.reason as Error);
      options?.signal?.addEventListener("abort", abort, { once: true });
      const settle = (result: unknown, refusal?: unknown): void => {
        options?.signal?.removeEventListener("abort", abort);
        if (refusal === undefined) resolve(result);
        else reject(refusal);
      };
      if (this.state.name === "closed") settle(undefined, new Refusal("closed"));
      else ask();
    });
  }

  cast(method: string, data: Uint8Array): boolean {
    if (method !== LANE_NAME || this.state.name !== "connected") return false;
    this.casts += 1;
    const connection = this.#connection;
    const bytes = data.slice();
    this.#up.send(() => {
      if (connection === this.#connection) this.#room.cast(this, bytes);
    });
    return true;
  }

  onMessage(topic: string, handler: Handler): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    handlers.add(handler);
    return () => void handlers.delete(handler);
  }

  onState(listener: (state: State) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A snapshot, by the volatile way. */
  push(bytes: Uint8Array): void {
    if (this.state.name !== "connected") return;
    const connection = this.#connection;
    this.#down.send(() => {
      if (connection === this.#connection) this.tell(LANE_NAME, bytes);
    });
  }

  /** A message of the server's, by the reliable way. False: the server knows that there is no connection. */
  message(topic: string, data: unknown, isKnown: boolean): boolean {
    const connection = this.#connection;
    const isConnected = this.state.name === "connected";
    if (isConnected) {
      this.#room.clock.after(40, () => {
        if (connection === this.#connection) this.tell(topic, data);
      });
    }
    return isConnected || !isKnown;
  }

  /** A message of the server has come. */
  tell(topic: string, data: unknown): void {
    for (const handler of this.#handlers.get(topic) ?? []) handler({ data });
  }

  /** The connection is lost, with all that is on its way. */
  lose(): void {
    this.#connection += 1;
    this.#become("waiting");
    this.#refuse("connection_lost");
  }

  connect(): void {
    this.#become("connected");
    for (const ask of [...this.#unsent]) ask();
  }

  close(): void {
    this.#connection += 1;
    this.#become("closed");
    for (const ask of [...this.#unsent]) ask(new Refusal("closed"));
    this.#refuse("closed");
  }

  #refuse(code: string): void {
    for (const refuse of this.#asked) refuse(new Refusal(code));
    this.#asked.clear();
  }

  #become(name: string): void {
    this.state = { name };
    for (const listener of [...this.#listeners]) listener(this.state);
  }

  #ask(method: string, input: unknown, settle: (result: unknown, refusal?: unknown) => void): void {
    const connection = this.#connection;
    const { clock } = this.#room;
    const refuse = (refusal: Refusal): void => settle(undefined, refusal);
    this.#asked.add(refuse);
    clock.after(40, () => {
      if (connection !== this.#connection) return;
      let result: unknown;
      let refusal: unknown;
      try {
        result = this.#room.call(this, method, input);
      } catch (error) {
        refusal = error;
      }
      if (this.lostAnswers > 0) {
        this.lostAnswers -= 1;
        clock.after(5_000, () => refuse(new Refusal("deadline_exceeded")));
        return;
      }
      clock.after(40, () => {
        if (connection === this.#connection) settle(result, refusal);
        this.#asked.delete(refuse);
      });
    });
  }
}
