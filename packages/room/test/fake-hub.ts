import type { CallContext, Hub } from "@zocalo/hub";
import type { Data } from "@zocalo/protocol";

type Handler = (context: CallContext, data: Data | undefined) => unknown;
type CastHandler = (context: { readonly session: string }, data: unknown) => void;

/** What its channels keep; one process after the other has it. */
export type Logs = Map<string, Data[]>;

/** A hub without connections: a test calls what rooms handle, and looks at what they send. */
export class FakeHub {
  readonly sent: { readonly session: string; readonly topic: string; readonly data: unknown }[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #casts = new Map<string, CastHandler>();
  readonly #logs: Logs;

  constructor(logs: Logs = new Map()) {
    this.#logs = logs;
  }

  get asHub(): Hub {
    return this as unknown as Hub;
  }

  handle(method: string, handler: Handler): () => void {
    this.#handlers.set(method, handler);
    return () => void this.#handlers.delete(method);
  }

  onCast(method: string, handler: CastHandler): () => void {
    this.#casts.set(method, handler);
    return () => void this.#casts.delete(method);
  }

  send({ session }: { readonly session: string }, topic: string, data: unknown) {
    this.sent.push({ session, topic, data });
    return { sent: 1, waiting: 0, refused: 0 };
  }

  publish(channel: string, data: Data): Promise<void> {
    const log = this.#logs.get(channel) ?? [];
    log.push(data);
    this.#logs.set(channel, log);
    return Promise.resolve();
  }

  history(channel: string, { after, limit }: { readonly after: number; readonly limit: number }) {
    const log = this.#logs.get(channel) ?? [];
    const publications = log.map((data, index) => ({ offset: index + 1, data })).slice(after, after + limit);
    return Promise.resolve({ head: log.length, publications });
  }

  /** A call of a session; its user has the same name if nothing else is said. */
  async call(session: string, method: string, data: Data, user = session): Promise<unknown> {
    const peer = { addr: { network: "tcp", host: "127.0.0.1", port: 1 } };
    return this.#handlers.get(method)?.({ session, user, peer } as unknown as CallContext, data);
  }

  cast(session: string, method: string, data: unknown): void {
    this.#casts.get(method)?.({ session }, data);
  }

  /** The events of the room that a session was told. */
  events(session: string): unknown[] {
    return this.told(session, "room.event").map((event) => (event as { readonly data: unknown }).data);
  }

  /** What a session was told by a topic. */
  told(session: string, topic: string): unknown[] {
    return this.sent.filter((one) => one.session === session && one.topic === topic).map(({ data }) => data);
  }
}
