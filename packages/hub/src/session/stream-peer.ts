import { CLOSE, encodeServerMessage } from "@zocalo/protocol";
import type { Caller } from "./caller.ts";
import { costOfPresence } from "../channel/costs.ts";
import type { Listened } from "./silence.ts";

/** A session on a stream, as one listens for its peer. */
export interface StreamSession extends Caller {
  readonly isHeldBack: boolean;
  /** The client says that something comes back when it is pinged. */
  readonly answersPings: boolean;
  /** Says why, and ends. */
  disconnect(code: number, reason: string): void;
}

/** What is done about a peer that says nothing. */
export class StreamPeer implements Listened {
  readonly #session: StreamSession;

  constructor(session: StreamSession) {
    this.#session = session;
  }

  get isHeldBack(): boolean {
    return this.#session.isHeldBack;
  }

  quiet(): void {
    const { answersPings, sender } = this.#session;
    if (answersPings) sender.trySend(encodeServerMessage({ type: "ping" }));
  }

  /** Who does not answer pings may just listen: it keeps its flow, and is not counted as present. */
  silent(): void {
    const { answersPings, engine, id } = this.#session;
    if (answersPings) this.#session.disconnect(CLOSE.slowConsumer, "no answer to a ping");
    else this.#eachPresent((channel) => engine.leave(channel, id));
  }

  back(): void {
    const { engine, id, identity, infoText } = this.#session;
    if (!identity) return;
    this.#eachPresent((channel) =>
      engine.join(channel, { session: id, user: identity.user, info: infoText }),
    );
  }

  #eachPresent(act: (channel: string) => Promise<void>): void {
    const { subscriptions, infoText } = this.#session;
    for (const { isPresent, channel } of subscriptions.values()) {
      if (!isPresent) continue;
      this.#session.charge(costOfPresence(channel, infoText?.length ?? 0));
      act(channel.name).catch((error: unknown) => this.#session.report(error));
    }
  }
}
