import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import type { CloseInfo } from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import { linesForPeople } from "../for-people.ts";
import { withoutTokens } from "../secrets.ts";
import { checkFlags, type Side } from "./applicable.ts";
import { Broadcast } from "./broadcast.ts";
import { dialDatagrams, listenDatagrams } from "./datagrams.ts";
import { echoBytes, echoMessages } from "./echo.ts";
import { explained, sentence } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import { Input } from "./input.ts";
import {
  closeWords,
  type Door,
  type End,
  isErrorCode,
  type Link,
  type MessageLink,
  type OnRefused,
  type OnReloadError,
} from "./link.ts";
import { Notices } from "./notices.ts";
import { Output } from "./output.ts";
import { pumpBytes, pumpMessages, type PumpOptions } from "./pump.ts";
import { linesOf, shapeFor } from "./shape.ts";
import { type Interruption, outputGone, STOP_MS, untilInterrupted } from "./stop.ts";
import { asMessages, dialStream, listenStream } from "./streams.ts";
import { listeningUrl, parseTarget, type Target } from "./target.ts";
import { dialWebSocket, listenWebSocket } from "./websockets.ts";

/** How long `dial --keep` waits before it dials again, in milliseconds. */
const REDIAL_MS = 1000;
/** How often `--ping` pings, in milliseconds, as ping(1) does. */
const PING_MS = 1000;
/** RFC 6455 §7.4.1. */
const NORMAL = 1000;
const GOING_AWAY = 1001;

/**
 * `zocalo listen` and `zocalo dial`.
 *
 * @returns the exit code.
 * @throws UserError for everything a user can mend.
 */
export async function runTerminal(side: Side, url: string, flags: Flags): Promise<number> {
  const target = parseTarget(url);
  checkFlags(side, target, flags);
  process.on("uncaughtException", crashed);
  const command = new TerminalCommand(target, flags);
  try {
    return await (side === "listen" ? command.listen() : command.dial());
  } catch (error) {
    throw explained(error);
  } finally {
    await command.finish();
  }
}

/**
 * A defect deserves its stack trace. Node would print it with whatever a peer's words in it tell a terminal
 * to do.
 */
function crashed(error: unknown): void {
  process.stderr.write(`${linesForPeople(inspect(error))}\n`);
  process.exit(EXIT.failed);
}

/** One run of either command: the terminal on one side, links on the other. */
class TerminalCommand {
  readonly #target: Target;
  readonly #flags: Flags;
  readonly #notices: Notices;
  readonly #input: Input;
  readonly #output: Output;
  readonly #pump: PumpOptions;
  readonly #broken: Promise<Interruption>;
  /** Aborted when the command is to stop: cancels dialing and waiting. */
  readonly #stopping = new AbortController();
  readonly #open = new Set<Link>();

  constructor(target: Target, flags: Flags) {
    const { stdin, stdout, stderr } = process;
    const isForPeople = stdout.isTTY && stderr.isTTY;
    const shape = shapeFor(target.scheme, flags, stdout.isTTY);
    let broke: (interruption: Interruption) => void = () => undefined;
    this.#broken = new Promise((resolve) => {
      broke = resolve;
    });
    this.#target = target;
    this.#flags = flags;
    this.#notices = new Notices(stderr, isForPeople, flags.verbose === true);
    this.#input = new Input(stdin, shape);
    this.#output = new Output(stdout, (failure) => broke(outputGone(failure)));
    this.#pump = {
      input: this.#input,
      output: this.#output,
      shape,
      timeoutMs: flags.timeout,
      closing: flags.close,
      onMistake: (error) => this.#notices.warn(error.message),
    };
    if (flags.insecure) {
      this.#notices.warn(
        "WARNING: --insecure: the server's certificate is not checked; whoever is in between can read and change everything.",
      );
    }
  }

  async listen(): Promise<number> {
    const door = await this.#openDoor();
    const url = listeningUrl(this.#target, door.address);
    this.#notices.announce("listening", `listening on ${url}`, {
      url,
      address: door.address,
      port: door.port,
    });
    const { echo, broadcast } = this.#flags;
    const work = echo ? this.#echoAll(door) : broadcast ? this.#broadcastAll(door) : this.#takeInTurn(door);
    return untilInterrupted(work, this.#broken, async () => {
      await Promise.all([this.#stop(GOING_AWAY), door.drain(Date.now() + STOP_MS)]);
    });
  }

  dial(): Promise<number> {
    const work = this.#flags.keep ? this.#dialAgainAndAgain() : this.#dialOnce();
    return untilInterrupted(work, this.#broken, () => this.#stop(NORMAL));
  }

  /** The process may end: all that was written has left. */
  async finish(): Promise<void> {
    this.#input.close();
    await this.#output.flushed();
  }

  async #stop(code: number): Promise<void> {
    this.#stopping.abort();
    this.#input.close();
    const { close = { code, reason: "" } } = this.#flags;
    const closings = Array.from(this.#open, ({ conn }) => conn.close(close.code, close.reason));
    await Promise.allSettled(closings);
  }

  // Listening.

  async #echoAll(door: Door): Promise<number> {
    const { timeout } = this.#flags;
    for await (const link of door.links())
      void this.#serve(link, (touch) => this.#echo(link, touch), timeout);
    return EXIT.ok;
  }

  async #broadcastAll(door: Door): Promise<number> {
    const { timeout } = this.#flags;
    const everybody = new Broadcast(timeout, (peer) => {
      this.#notices.tell("cut", `cut off ${peer}: it takes nothing`, { peer });
    });
    const feeding = this.#feed(everybody);
    const serving = (async () => {
      for await (const link of door.links()) {
        const messages = link.form === "bytes" ? asMessages(link, this.#flags) : link;
        const join = async (touch: () => void): Promise<End> => ended(await everybody.join(messages, touch));
        void this.#serve(messages, join, timeout, () => everybody.isHeldUp);
      }
    })();
    await Promise.all([feeding, serving]);
    return EXIT.ok;
  }

  async #feed(everybody: Broadcast): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      try {
        const message = await this.#input.next(signal);
        if (message === null) return;
        for (const line of linesOf(message, this.#pump.shape)) await everybody.send(line);
      } catch (error) {
        if (!this.#input.isTerminal) throw error;
        this.#notices.warn(sentence(error));
      }
    }
  }

  /** As netcat: one connection at a time, and without `--keep` only one. */
  async #takeInTurn(door: Door): Promise<number> {
    const { keep, timeout } = this.#flags;
    let isLate = false;
    const waiting = new IdleTimer(keep ? undefined : timeout, () => {
      isLate = true;
      void door.close();
    });
    for await (const link of door.links()) {
      waiting.stop();
      if (!keep) {
        // Not waited for: a door of datagrams closes only once the last peer has.
        void door.close();
        return exitCode(await this.#attend(link, () => this.#join(link)));
      }
      // The pump has a timer of its own.
      await this.#serve(link, () => this.#join(link), undefined);
    }
    waiting.stop();
    return isLate ? EXIT.timeout : EXIT.ok;
  }

  /** Attends to one of many: its failure is its own. Silence while `isHeldUp` is the fault of another. */
  async #serve(
    link: Link,
    mode: (touch: () => void) => Promise<End>,
    timeoutMs: number | undefined,
    isHeldUp = (): boolean => false,
  ): Promise<void> {
    let isIdle = false;
    const idle = new IdleTimer(timeoutMs, () => {
      if (isHeldUp()) return idle.touch();
      isIdle = true;
      void link.conn.close(GOING_AWAY, "idle").catch(() => link.conn.abort());
    });
    try {
      await this.#attend(link, () => mode(() => idle.touch()));
    } catch (error) {
      const known = explained(error);
      // A defect must be seen; everything else may happen to a server at any time.
      if (!(known instanceof Error) || !(known instanceof UserError)) throw error;
      const reason = isIdle ? "idle" : known.message;
      this.#notices.tell("failed", `${link.peer} failed: ${reason}`, { peer: link.peer, reason });
    } finally {
      idle.stop();
    }
  }

  // Dialing.

  async #dialOnce(): Promise<number> {
    const link = await this.#connect();
    const { echo, timeout } = this.#flags;
    if (!echo) return exitCode(await this.#attend(link, () => this.#join(link)));
    let end: End = "ended";
    const idle = new IdleTimer(timeout, () => {
      end = "timeout";
      link.conn.abort();
    });
    try {
      await this.#attend(link, () => this.#echo(link, () => idle.touch()));
    } catch (error) {
      if (end === "ended") throw error;
    } finally {
      idle.stop();
    }
    return exitCode(end);
  }

  async #dialAgainAndAgain(): Promise<number> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#dialOnce();
      } catch (error) {
        const known = explained(error);
        if (!(known instanceof UserError) || known.exitCode === EXIT.usage) throw error;
        this.#notices.tell("failed", known.message, { reason: known.message });
      }
      await delay(REDIAL_MS, undefined, { signal }).catch(() => undefined);
    }
    return EXIT.ok;
  }

  #connect(): Promise<Link> {
    const { signal } = this.#stopping;
    switch (this.#target.scheme) {
      case "udp":
        return dialDatagrams(this.#target, this.#flags, signal);
      case "ws":
      case "wss":
        return dialWebSocket(this.#target, this.#flags, signal);
      default:
        return dialStream(this.#target, this.#flags, signal);
    }
  }

  #openDoor(): Promise<Door> {
    const onRefused: OnRefused = (peer, reason, advice) => {
      this.#notices.tell("refused", `refused ${peer}: ${reason}`, { peer, reason });
      if (advice !== undefined) this.#notices.warn(advice);
    };
    const onReloadError: OnReloadError = (error) => {
      this.#notices.warn(`the old certificate stays in use: ${sentence(error)}`);
    };
    const { scheme } = this.#target;
    switch (scheme) {
      case "udp":
        return listenDatagrams(this.#target, this.#flags);
      case "ws":
      case "wss":
        return listenWebSocket(this.#target, this.#flags, onRefused, onReloadError);
      default:
        return listenStream(scheme, this.#target, this.#flags, onRefused, onReloadError);
    }
  }

  // Modes.

  #join(link: Link): Promise<End> {
    return link.form === "bytes" ? pumpBytes(link.conn, this.#pump) : pumpMessages(link, this.#pump);
  }

  async #echo(link: Link, touch: () => void): Promise<End> {
    if (link.form === "messages") return ended(await echoMessages(link.conn, touch));
    if (this.#flags.lines) return ended(await echoMessages(asMessages(link, this.#flags).conn, touch));
    await echoBytes(link.conn, touch);
    return "ended";
  }

  /** Keeps the books of one link while `mode` works on it. */
  async #attend(link: Link, mode: () => Promise<End>): Promise<End> {
    const { peer } = link;
    const subprotocol = link.form === "messages" ? link.subprotocol : undefined;
    this.#open.add(link);
    const words = subprotocol === undefined ? "" : ` (${withoutTokens(subprotocol)})`;
    this.#notices.tell("connected", `connected with ${peer}${words}`, { peer, subprotocol });
    const pinging = link.form === "messages" && this.#flags.ping ? this.#keepPinging(link) : undefined;
    try {
      const end = await mode();
      this.#notices.tell(
        "ended",
        end === "timeout" ? `${peer} was silent for too long` : `${peer} has ended`,
        { peer },
      );
      return end;
    } finally {
      clearInterval(pinging);
      this.#open.delete(link);
    }
  }

  #keepPinging({ ping, peer }: MessageLink): NodeJS.Timeout {
    const once = async (): Promise<void> => {
      const ms = await ping?.();
      if (ms === undefined) return;
      this.#notices.announce("pong", `pong from ${peer}: ${ms.toFixed(2)} ms`, { peer, roundTripMs: ms });
    };
    const tryOnce = (): void => void once().catch(() => undefined); // It has ended: that is told elsewhere.
    tryOnce();
    return setInterval(tryOnce, PING_MS);
  }
}

/** An end in order, or the failure it was. */
function ended(info: CloseInfo): End {
  if (info.error !== undefined) throw info.error;
  if (isErrorCode(info.code)) throw new UserError(`The peer closed the connection: ${closeWords(info)}.`);
  return "ended";
}

function exitCode(end: End): number {
  return end === "timeout" ? EXIT.timeout : EXIT.ok;
}
