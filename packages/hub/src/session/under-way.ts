import type { Peer } from "@zocalo/net";
import {
  type Data,
  encodeServerMessage,
  type Failed,
  type JsonObject,
  ProtocolError,
  type ReceivedCall,
  type Result,
} from "@zocalo/protocol";
import type { Account } from "./accounts.ts";
import type { AnswerTo } from "../channel/encode.ts";
import type { Caller } from "./caller.ts";
import { type CallContext, CallError, type CallHandler } from "./handlers.ts";
import type { Timer } from "../primitives/clock.ts";
import { utf8Length } from "../primitives/utf8.ts";

/** How long the answer to a call is kept on datagrams, to be given again, in milliseconds. */
export const REPEAT_MS = 5_000;

/** Who has the calls of a session. Each of these is called once for a call. */
export interface CallOwner {
  /** @param isKept true: the answer may be asked for again */
  answered(call: UnderWay, isKept: boolean): void;
  /** The answer cannot be asked for any more. */
  forgotten(call: UnderWay): void;
  /** It holds its place no longer. */
  over(call: UnderWay): void;
}

/** A call: its handler at work, and its answer until that has left. */
export class UnderWay implements CallContext {
  readonly id: number;
  readonly method: string;
  readonly user: string;
  readonly isGuest: boolean;
  readonly session: string;
  readonly peer: Peer;
  readonly json: string;
  readonly #session: Caller;
  readonly #owner: CallOwner;
  readonly #input: Data | undefined;
  readonly #infoText: string | undefined;
  readonly #to: AnswerTo;
  /** Those with whom it shares limits, as they were when it began. */
  readonly #accounts: readonly Account[];
  readonly #endsAt: number;
  #controller: AbortController | undefined;
  /** Why nobody waits any longer. */
  #reason: Error | undefined;
  /** Of its time, while the handler is at work. */
  #deadline: Timer | undefined;
  /** Of its answer, while that is kept. */
  #repeats: Timer | undefined;
  /** Its answer, once there is one. */
  #text: string | undefined;
  /** The handler has not settled, and has time. */
  #isAtWork = true;
  /** Its answer has not left, or is kept. */
  #isOwed = true;

  constructor(session: Caller, command: ReceivedCall, owner: CallOwner) {
    const { context, identity, address, user } = session;
    const { callMs } = context.limits;
    const { json = "", method, deadlineMs = callMs } = command;
    this.id = command.id;
    this.method = method;
    this.user = identity?.user ?? "";
    this.isGuest = identity?.isGuest ?? true;
    this.session = context.directory.nameOf(session);
    this.peer = session.conn.peer;
    this.json = json;
    this.#session = session;
    this.#owner = owner;
    this.#input = inputOf(command);
    this.#infoText = session.infoText;
    this.#to = session.answerTo(command);
    this.#accounts = [address, user].filter((account) => account !== undefined);
    this.#endsAt = context.clock.uptime() + Math.min(deadlineMs, callMs);
  }

  get info(): JsonObject | undefined {
    return this.#infoText === undefined ? undefined : (JSON.parse(this.#infoText) as JsonObject);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return Math.max(0, this.#endsAt - this.#session.context.clock.uptime());
  }

  get isAnswered(): boolean {
    return this.#text !== undefined;
  }

  /** Calls the handler. Its place is held from now on. */
  begin(handler: CallHandler): void {
    const { counters, clock } = this.#session.context;
    counters.calls++;
    counters.callsUnderWay++;
    for (const account of this.#accounts) account.calls++;
    let outcome: unknown;
    try {
      outcome = handler(this, this.#input);
      if (isThenable(outcome)) {
        Promise.resolve(outcome).then(
          (output) => this.#succeeded(output),
          (error: unknown) => this.#threw(error),
        );
        this.#deadline = clock.after(this.remainingMs, () => this.#expired());
        return;
      }
    } catch (error) {
      return this.#threw(error);
    }
    this.#succeeded(outcome);
  }

  /** Nobody waits any longer, and the client is told why. */
  fail(error: ProtocolError): void {
    this.#abort(error);
    this.#refuse(error);
  }

  /** The same answer again, if there is one already. */
  answerAgain(): void {
    if (this.#text !== undefined) this.#session.answer(this.#text, this.id);
  }

  /** The answer need not be given again. */
  forget(): void {
    if (!this.#isOwed) return;
    this.#repeats?.cancel();
    this.#owner.forgotten(this);
    this.#leaves();
  }

  /** The session is over: nothing is answered any more. */
  end(): void {
    if (this.#text === undefined) {
      this.#text = "";
      this.#owner.answered(this, false);
      this.#abort(new Error("the session has ended"));
    }
    this.forget();
  }

  #abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  #expired(): void {
    this.#settled();
    if (this.isAnswered) return;
    this.fail(new ProtocolError("deadline_exceeded", `${this.method} was not done within its time`));
  }

  #succeeded(data: unknown): void {
    this.#settled();
    this.#say({ type: "result", ...this.#to, data: data as Data });
  }

  #threw(error: unknown): void {
    this.#settled();
    if (error instanceof CallError) {
      const { code, message, data } = error;
      return this.#say({ type: "failed", ...this.#to, code, message, data: data as Data });
    }
    if (this.#reason === undefined || !isAbort(error, this.#reason)) this.#broke(error);
  }

  /** The client learns nothing of what went wrong here. */
  #broke(error: unknown): void {
    this.#session.context.report(error);
    this.#refuse(new ProtocolError("unavailable", `${this.method} failed at the server`));
  }

  /** The handler has settled, or its time is over. */
  #settled(): void {
    this.#deadline?.cancel();
    if (!this.#isAtWork) return;
    this.#isAtWork = false;
    this.#release();
  }

  #say(message: Result | Failed): void {
    if (this.isAnswered) return;
    let text: string;
    try {
      text = encodeServerMessage(message);
    } catch (error) {
      return this.#broke(error); // JSON cannot say it
    }
    const bytes = utf8Length(text);
    const { callAnswerBytes: most } = this.#session.context.limits;
    if (bytes <= most) return this.#answer(text);
    const complaint = `the answer has ${bytes} bytes; to a call there may be ${most}`;
    this.#session.context.report(new RangeError(`${this.method}: ${complaint}`));
    this.#refuse(new ProtocolError("too_large", complaint));
  }

  #refuse({ code, message }: ProtocolError): void {
    if (this.isAnswered) return;
    this.#session.context.counters.refused++;
    this.#answer(encodeServerMessage({ type: "error", ...this.#to, code, message }));
  }

  #answer(text: string): void {
    const { isDatagram, context } = this.#session;
    this.#text = text;
    this.#owner.answered(this, isDatagram);
    if (isDatagram) {
      this.#repeats = context.clock.after(REPEAT_MS, () => this.forget());
      return this.#session.answer(text, this.id);
    }
    const leaves = (): void => this.#leaves();
    this.#session.answer(text, this.id, { onSent: leaves, onLost: leaves });
  }

  #leaves(): void {
    this.#isOwed = false;
    this.#release();
  }

  /** Gives its place back when nothing holds it. */
  #release(): void {
    if (this.#isAtWork || this.#isOwed) return;
    this.#session.context.counters.callsUnderWay--;
    for (const account of this.#accounts) account.calls--;
    this.#owner.over(this);
  }
}

/** True for what has to be waited for: a promise, be it of another realm or library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** True for what is thrown because of this reason. */
function isAbort(error: unknown, reason: Error): boolean {
  return error === reason || (error instanceof Error && error.name === "AbortError");
}

/** What the handler is given: bytes of its own, since those that came are lent. */
function inputOf({ data, json = "" }: ReceivedCall): Data | undefined {
  return json === "" && data instanceof Uint8Array ? data.slice() : data;
}
