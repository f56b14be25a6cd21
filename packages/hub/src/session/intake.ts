import type { Message } from "@zocalo/net";
import {
  CLOSE,
  costOfReceived,
  encodeServerMessage,
  ProtocolError,
  type ReceivedCommand,
} from "@zocalo/protocol";
import type { Caller } from "./caller.ts";
import { SessionCalls } from "./calls.ts";
import { cast } from "./casts.ts";
import { connect, presence, publish, refresh, unsubscribe, withId } from "./commands.ts";
import { history } from "./history.ts";
import type { PeerForm } from "./peer-form.ts";
import { RateLimit } from "./rate-limit.ts";
import { subscribe } from "./subscribe.ts";

/** What an editor, or a program on Windows, may write before the first line of a stream. */
const BYTE_ORDER_MARK = "\uFEFF";

/** Close codes with which a transport ends what the peer did wrong: framing, kind, encoding, time, size. */
const PEER_FAULTS: ReadonlySet<number> = new Set([
  CLOSE.protocolError,
  CLOSE.unsupportedData,
  CLOSE.invalidText,
  CLOSE.incomplete,
  CLOSE.tooLarge,
]);

/** True for what the peer did wrong. */
export function isPeerFault(code: number): boolean {
  return PEER_FAULTS.has(code);
}

/**
 * How an HTTP request begins. Any web page can make a visitor's browser send one to a TCP port, with commands
 * in its body: whoever speaks HTTP here is cut off before the body is read.
 */
const HTTP_REQUEST = /^[A-Z]+ \S+ HTTP\/\d/;

/** True for a cast that does not ask what became of it. */
function isUnanswered(command: { readonly id?: number | undefined; readonly type?: string } | undefined) {
  return command?.type === "cast" && command.id === undefined;
}

/** Whose commands are taken in. */
export interface CommandSource extends Caller {
  readonly form: PeerForm;
  /** True where messages come in a stream of bytes: not a WebSocket, and no datagrams. */
  readonly isStream: boolean;
  /** What all whose addresses are not proved may do together. */
  readonly unverifiedRate: RateLimit;
  /** False while its answers leave no room for another command. */
  readonly mayTakeMore: boolean;
  /** True if a command, which may name a session, is for this one. */
  isFor(command: Pick<ReceivedCommand, "session" | "guest">): boolean;
  /** It has sent its first command. */
  spoke(): void;
  /** Its address is proved. False if there is no room for it now, and it has ended. */
  verified(): boolean;
  /** Says why, and ends. */
  disconnect(code: number, reason: string): void;
}

/**
 * What comes in on one connection: commands, which are carried out one after the other and as fast as they
 * may come, and what is none.
 */
export class Intake {
  readonly #session: CommandSource;
  readonly #rate: RateLimit;
  /** Made for the first call. */
  #calls: SessionCalls | undefined;
  #isVerified = false;
  /** Something came, be it no command. */
  #hasBegun = false;
  #hasSpoken = false;
  #excess = 0;
  #badInRow = 0;
  /** Lets the next command in; set while one is held back. */
  #admit: (() => void) | undefined;
  /** Ends the pause of a peer that was refused too often; set while it is not read. */
  #endPause: (() => void) | undefined;

  constructor(session: CommandSource) {
    const { limits, clock } = session.context;
    this.#session = session;
    this.#rate = new RateLimit(limits.commandsPerSecond, limits.commandBurst, clock.uptime());
  }

  get isUnverified(): boolean {
    return !this.#isVerified && this.#session.conn.peer.verification !== undefined;
  }

  /** A promise holds the peer back until it resolves. */
  message(message: Message): void | Promise<void> {
    const turn = this.#session.context.turns.next(this.#session.whose);
    if (turn) return this.#later(turn, message);
    return this.#message(this.#hasBegun ? message : this.#first(message));
  }

  /** Counts what a command costs beside being one. */
  charge(cost: number): void {
    if (cost === 0) return;
    this.#rate.spend(cost);
    (this.isUnverified ? this.#session.unverifiedRate : this.#session.address?.rate)?.spend(cost);
    this.#session.user?.rate.spend(cost);
  }

  /** Lets the next command in, if one is held back and may come. */
  letIn(): void {
    if (!this.#admit || !this.#session.mayTakeMore) return;
    const admit = this.#admit;
    this.#admit = undefined;
    admit();
  }

  /** Does what comes next, at once if all calls are answered, or when they are. */
  untilCallsAnswered(next: () => Promise<void> | undefined): Promise<void> | undefined {
    const answered = this.#calls?.untilAnswered();
    return answered ? inTurn(answered, next) : next();
  }

  /** Nobody waits for its calls any longer. */
  endCalls(): void {
    this.#calls?.end();
  }

  /** Holds nobody back any more. */
  end(): void {
    this.endCalls();
    this.#endPause?.();
    this.letIn();
  }

  /** The first message, without the mark that may begin a stream. */
  #first(message: Message): Message {
    this.#hasBegun = true;
    this.#session.form.begin(message);
    const mayBeMarked = this.#session.isStream && typeof message === "string";
    if (!mayBeMarked || !message.startsWith(BYTE_ORDER_MARK)) return message;
    return message.slice(BYTE_ORDER_MARK.length);
  }

  async #later(turn: Promise<void>, message: Message): Promise<void> {
    await turn;
    if (!this.#session.hasEnded) await this.#message(this.#hasBegun ? message : this.#first(message));
  }

  #message(message: Message): void | Promise<void> {
    if (!this.#takeOne()) return this.#overRate(message);
    if (this.#excess > 0) this.#excess--;
    this.charge(costOfReceived(message.length));
    const { form } = this.#session;
    if (!form.has(message)) return this.#otherForm();
    if (message === "" && !this.#session.isDatagram) return; // an empty line
    let command: ReceivedCommand;
    try {
      command = form.decode(message, this.#mostBytes);
    } catch (error) {
      return this.#bad(error, message);
    }
    this.#badInRow = 0;
    if (!this.#hasSpoken) {
      this.#hasSpoken = true;
      this.#session.spoke();
    }
    if (this.isUnverified && !this.#prove(command)) return;
    if (command.type !== "connect" && !this.#session.isFor(command)) return this.#gone(command);
    if (this.isUnverified && !this.#isServedUnverified(command)) return;
    return this.#run(command);
  }

  /** True while the peer's commands are not taken for now. */
  get isHoldingBack(): boolean {
    return this.#admit !== undefined || this.#endPause !== undefined;
  }

  // --- how a command is taken

  #run(command: ReceivedCommand): void | Promise<void> {
    if (this.#session.expiry?.look() === true) return;
    if (!this.#session.identity && command.type !== "connect")
      return this.#settle(command, this.#beginAndRun(command));
    try {
      const work = this.#execute(command);
      return work ? this.#settle(command, work) : this.#room();
    } catch (error) {
      this.#failed(command, error);
      return this.#room();
    }
  }

  async #beginAndRun(command: ReceivedCommand): Promise<void> {
    if (await this.#session.begin({})) await this.#execute(command);
  }

  async #settle(command: ReceivedCommand, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failed(command, error);
    }
    await this.#room();
  }

  #execute(command: ReceivedCommand): void | Promise<void> {
    switch (command.type) {
      case "connect":
        return connect(this.#session, command);
      case "refresh":
        return refresh(this.#session, command);
      case "subscribe":
        return subscribe(this.#session, command);
      case "unsubscribe":
        return unsubscribe(this.#session, command);
      case "publish":
        return publish(this.#session, command);
      case "call":
        this.#calls ??= new SessionCalls(this.#session);
        return this.#calls.call(command);
      case "cancel":
        return this.#calls?.cancel(command);
      case "cast":
        return cast(this.#session, command);
      case "history":
        return history(this.#session, command);
      case "presence":
        return presence(this.#session, command);
      case "ping":
        this.#session.answer(
          encodeServerMessage({ type: "pong", ...this.#session.answerTo(command) }),
          command.id,
        );
        return;
      case "pong":
        return;
    }
  }

  #failed(command: ReceivedCommand, error: unknown): void {
    if (this.#session.hasEnded) return;
    const isExpected = error instanceof ProtocolError;
    if (isUnanswered(command)) {
      this.#session.counters.refused++;
      if (!isExpected) this.#session.report(error);
      return;
    }
    if (!isExpected) {
      this.#session.report(error);
      this.#session.refuse(
        new ProtocolError("internal", "the server failed to do this"),
        this.#session.answerTo(command),
      );
      return;
    }
    this.#session.refuse(error, this.#session.answerTo(command));
    if (error.code === "unauthorized") this.#session.disconnect(CLOSE.unauthorized, error.message);
  }

  /** Nothing while another command may come; otherwise a promise that holds the peer back. */
  #room(): Promise<void> | undefined {
    if (this.#session.mayTakeMore) return undefined;
    return new Promise((resolve) => {
      this.#admit = resolve;
    });
  }

  // --- what is not a command that can be served

  /** It is for a session that is not here: nothing is done in the name of another. */
  #gone({ id }: ReceivedCommand): void | Promise<void> {
    if (this.isUnverified && !this.#session.unverifiedRate.take(this.#session.clock.uptime())) {
      this.#session.counters.refused++;
      return;
    }
    this.#session.refuse(new ProtocolError("unknown_session", "connect again"), withId(id));
    return this.#room();
  }

  /** Takes a cookie, if there is one. False if it proves the address, and there is no room for it now. */
  #prove({ cookie }: ReceivedCommand): boolean {
    const { verification } = this.#session.conn.peer;
    if (!verification || cookie === undefined || !verification.verify(cookie)) return true;
    this.#isVerified = true;
    return this.#session.verified();
  }

  /** True if the command may be served: its answer is no larger than itself. Else a proof is asked for. */
  #isServedUnverified({ type, id }: ReceivedCommand): boolean {
    const { verification } = this.#session.conn.peer;
    if (!verification) return true;
    const isCheap = type === "connect" || type === "publish" || type === "cast" || type === "ping";
    if (isCheap && this.#session.unverifiedRate.take(this.#session.clock.uptime())) return true;
    this.#session.answer(
      encodeServerMessage({ type: "verify", ...withId(id), cookie: verification.cookie }),
      id,
    );
    return false;
  }

  #takeOne(): boolean {
    const now = this.#session.clock.uptime();
    const { address, user } = this.#session;
    return this.#rate.take(now) && (address?.rate.take(now) ?? true) && (user?.rate.take(now) ?? true);
  }

  #overRate(message: Message): void | Promise<void> {
    this.#excess++;
    if (this.#session.isDatagram) {
      this.#session.counters.refused++;
      return;
    }
    if (this.#excess > this.#session.context.limits.excessCommands) {
      this.#session.disconnect(CLOSE.rateLimited, "far too many commands");
      return;
    }
    const { address, user } = this.#session;
    const retryMs = Math.max(this.#rate.retryMs, address?.rate.retryMs ?? 0, user?.rate.retryMs ?? 0);
    const refusal = new ProtocolError("rate_limited", `try again in ${retryMs} ms`);
    const command = this.#commandOf(message);
    if (isUnanswered(command)) this.#session.counters.refused++;
    else this.#session.refuse(refusal, withId(command?.id), { retryMs });
    const now = this.#session.clock.uptime();
    for (const refusals of [address?.refusals, user?.refusals]) {
      if (refusals?.take(now) === false) return this.#pause(refusals.retryMs);
      refusals?.spend(costOfReceived(message.length)); // All of it was read, for its id.
    }
    return this.#room();
  }

  /**
   * Holds the peer back for a time: a refusal is work, too, and all connections of an address could ask for
   * thousands each.
   */
  async #pause(ms: number): Promise<void> {
    if (!this.#session.hasEnded) {
      const timer = this.#session.clock.after(ms, () => this.#endPause?.());
      await new Promise<void>((resolve) => {
        this.#endPause = resolve;
      });
      timer.cancel();
      this.#endPause = undefined;
    }
    await this.#room();
  }

  get #mostBytes(): number {
    return this.#session.context.namespaces.sizes.commandBytes;
  }

  /** What is known of a command that will not be served. */
  #commandOf(message: Message): { readonly id?: number | undefined; readonly type?: string } | undefined {
    const { form } = this.#session;
    if (!form.has(message)) return undefined;
    try {
      return form.decode(message, this.#mostBytes);
    } catch (error) {
      return error instanceof ProtocolError ? error : undefined;
    }
  }

  #otherForm(): void | Promise<void> {
    if (this.#session.isDatagram)
      return this.#bad(new ProtocolError("bad_json", "a command is text, in UTF-8"), "");
    const { isBinary } = this.#session.form;
    this.#session.disconnect(CLOSE.unsupportedData, isBinary ? "a command is binary" : "a command is text");
  }

  #bad(error: unknown, message: Message): void | Promise<void> {
    if (!this.#session.isDatagram && typeof message === "string" && HTTP_REQUEST.test(message)) {
      this.#session.disconnect(CLOSE.badCommands, "this is not an HTTP server");
      return;
    }
    const complaint =
      error instanceof ProtocolError ? error : new ProtocolError("internal", "cannot be read");
    this.#badInRow++;
    const isTooMany = this.#badInRow > this.#session.context.limits.badCommands;
    if (this.#session.isDatagram && (isTooMany || this.isUnverified)) {
      this.#session.counters.refused++;
      return;
    }
    this.#session.refuse(complaint, withId(complaint.id));
    if (isTooMany) this.#session.disconnect(CLOSE.badCommands, "one bad command after the other");
    return this.#room();
  }
}

async function inTurn(first: Promise<void>, next: () => Promise<void> | undefined): Promise<void> {
  await first;
  await next();
}
