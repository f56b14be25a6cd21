import { type Cancel, LIMITS, ProtocolError, type ReceivedCall } from "@zocalo/protocol";
import type { Caller } from "./caller.ts";
import type { Handling } from "./handlers.ts";
import type { Timer } from "../primitives/clock.ts";
import { type CallOwner, REPEAT_MS, UnderWay } from "./under-way.ts";

/**
 * The calls of a session. Each holds a place, of the session, its address and its user, until its handler has
 * settled or its time is over, and its answer has left; on datagrams until that need not be given again.
 */
export class SessionCalls implements CallOwner {
  readonly #session: Caller;
  /** Those that are not answered, and on datagrams those whose answer may be asked for again. */
  readonly #byId = new Map<number, UnderWay>();
  readonly #held = new Set<UnderWay>();
  /**
   * On datagrams the ids of those whose answer its client has: a copy of one may still be on its way. As many
   * as may come in `REPEAT_MS`.
   */
  readonly #done = new Map<number, Timer>();
  #unanswered = 0;
  /** Called when all are answered; set once the peer says nothing more. */
  #whenAnswered: (() => void) | undefined;

  constructor(session: Caller) {
    this.#session = session;
  }

  /** Carries out a call, and answers it when that is done; others come meanwhile. */
  call(command: ReceivedCall): void | Promise<void> {
    const { id, method } = command;
    if (this.#done.has(id)) return;
    const known = this.#byId.get(id);
    if (known && this.#session.isDatagram) return known.answerAgain();
    if (known) throw new ProtocolError("bad_command", `"id" is that of a call under way`);
    const handling = this.#session.context.handlers.get(method);
    if (!handling) throw new ProtocolError("unknown_method", `nothing here takes ${method}`);
    checkInput(command);
    const allowed = this.#session.allowed(handling.allow, method);
    if (allowed === true) return this.#begin(command, handling);
    return Promise.resolve(allowed).then((isAllowed) => {
      if (!isAllowed) throw new ProtocolError("forbidden", `you may not call ${method}`);
      if (!this.#session.hasEnded) this.#begin(command, handling);
    });
  }

  /** Nobody waits for it any longer; of one that was answered, not for its answer either. */
  cancel({ call: id }: Cancel): void {
    const call = this.#byId.get(id);
    if (call?.isAnswered === false) {
      call.fail(new ProtocolError("cancelled", "it was cancelled; what it did until then may be done"));
    } else if (call) {
      call.forget();
      const { clock } = this.#session.context;
      this.#done.set(
        id,
        clock.after(REPEAT_MS, () => this.#done.delete(id)),
      );
    }
  }

  /** Resolves when all are answered; nothing if they are. */
  untilAnswered(): Promise<void> | undefined {
    if (this.#unanswered === 0) return undefined;
    return new Promise((resolve) => {
      this.#whenAnswered = resolve;
    });
  }

  /** The session, or whose it was, is gone: nobody waits for any of them. */
  end(): void {
    for (const call of this.#held) call.end();
    for (const timer of this.#done.values()) timer.cancel();
    this.#done.clear();
    this.#whenAnswered?.();
  }

  /** @throws ProtocolError `limit_reached` */
  #begin(command: ReceivedCall, handling: Handling): void {
    this.#checkRoom();
    const call = new UnderWay(this.#session, command, this);
    this.#held.add(call);
    this.#unanswered++;
    this.#byId.set(call.id, call);
    call.begin(handling.handler);
  }

  // --- what its calls tell

  answered(call: UnderWay, isKept: boolean): void {
    if (!isKept) this.forgotten(call);
    if (--this.#unanswered === 0) this.#whenAnswered?.();
  }

  forgotten(call: UnderWay): void {
    if (this.#byId.get(call.id) === call) this.#byId.delete(call.id);
  }

  over(call: UnderWay): void {
    this.#held.delete(call);
  }

  #checkRoom(): void {
    const { address, user, context } = this.#session;
    const { calls, callsPerAddress, callsPerUser } = context.limits;
    for (const [held, most, whose] of [
      [this.#held.size, calls, "a session has"],
      [address?.calls ?? 0, callsPerAddress, "the sessions of one address have"],
      [user?.calls ?? 0, callsPerUser, "the sessions of one user have"],
    ] as const) {
      if (held >= most) throw new ProtocolError("limit_reached", `${whose} at most ${most} calls under way`);
    }
  }
}

/** @throws ProtocolError `too_large` */
function checkInput({ data, json = "" }: Pick<ReceivedCall, "data" | "json">): void {
  const isBytes = json === "" && data instanceof Uint8Array;
  const [length, most] = isBytes ? [data.length, LIMITS.dataBytes] : [json.length, LIMITS.dataLength];
  if (length <= most) return;
  const unit = isBytes ? "bytes" : "characters";
  throw new ProtocolError("too_large", `"data" is ${length} ${unit}; a call takes ${most}`);
}
