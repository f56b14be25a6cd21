import { setMaxListeners } from "node:events";
import { inspect } from "node:util";
import type { CloseInfo } from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import { linesForPeople } from "../for-people.ts";
import { Seldom } from "../seldom.ts";
import { checkFlags, type Side } from "./applicable.ts";
import { Attendance, eachInItsPlace } from "./attendance.ts";
import { Broadcast } from "./broadcast.ts";
import { echoBytes, echoMessages } from "./echo.ts";
import { explained, sentence } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import { Input } from "./input.ts";
import { closeWords, type Door, type End, isErrorCode, type Link } from "./link.ts";
import { Notices } from "./notices.ts";
import { connect, openDoor } from "./open.ts";
import { Output } from "./output.ts";
import { programsEnded, runProgram } from "./program.ts";
import { pumpBytes, pumpMessages, type PumpOptions, tellingUnsent } from "./pump.ts";
import { Recorder } from "./recorder.ts";
import { pause, RedialWait } from "./redial.ts";
import { cut, relay } from "./relay.ts";
import { checkRelay } from "./relay-flags.ts";
import { scan } from "./scan.ts";
import { linesOf, shapeFor } from "./shape.ts";
import { type Interruption, outputGone, STOP_MS, untilInterrupted } from "./stop.ts";
import { asMessages } from "./streams.ts";
import { listeningUrl, parseTarget, portsOf, type Target } from "./target.ts";

/** RFC 6455 §7.4.1. */
const NORMAL = 1000;
const GOING_AWAY = 1001;
/**
 * How many programs of `--exec`, and pairs of `relay`, there are at once where `--max-connections` says
 * nothing.
 */
const DEFAULT_MAX_PROGRAMS = 100;
const DEFAULT_MAX_PAIRS = 1000;
/** How long `relay` takes to connect where `--timeout` says nothing, in milliseconds. */
const RELAY_DIAL_MS = 10_000;

/**
 * `zocalo listen` and `zocalo dial`.
 *
 * @returns the exit code.
 * @throws UserError for everything a user can mend.
 */
export async function runTerminal(side: Side, url: string, flags: Flags): Promise<number> {
  if (side === "dial" && flags.scan) {
    const [first, ...rest] = portsOf(url);
    const targets = [parseTarget(first), ...rest.map(parseTarget)] as const;
    for (const target of targets) checkFlags(side, target, flags);
    return new TerminalCommand(targets[0], flags).run((command) => command.scan(targets));
  }
  const target = parseTarget(url);
  checkFlags(side, target, flags);
  return new TerminalCommand(target, flags).run((command) =>
    side === "listen" ? command.listen() : command.dial(),
  );
}

/**
 * `zocalo relay`.
 *
 * @returns the exit code.
 * @throws UserError for everything a user can mend.
 */
export async function runRelay(fromUrl: string, toUrl: string, flags: Flags): Promise<number> {
  const [from, to] = [parseTarget(fromUrl), parseTarget(toUrl)];
  const { listening, dialing } = checkRelay(from, to, flags);
  return new TerminalCommand(from, listening).run((command) => command.relay(to, dialing));
}

/**
 * A defect deserves its stack trace. Node would print it with whatever a peer's words in it tell a terminal
 * to do.
 */
function crashed(error: unknown): void {
  process.stderr.write(`${linesForPeople(inspect(error))}\n`);
  process.exit(EXIT.failed);
}

/** One run of a command: the terminal or another address on one side, links on the other. */
class TerminalCommand {
  readonly #target: Target;
  readonly #flags: Flags;
  readonly #isForPeople: boolean;
  readonly #notices: Notices;
  readonly #input: Input;
  readonly #output: Output;
  readonly #pump: PumpOptions;
  readonly #broken: Promise<Interruption>;
  readonly #broke: (interruption: Interruption) => void;
  readonly #attendance: Attendance;
  #recorder: Recorder | undefined;
  /** Aborted when the command is to stop: cancels dialing and waiting. */
  readonly #stopping = new AbortController();

  constructor(target: Target, flags: Flags) {
    const { stdin, stdout, stderr } = process;
    const shape = shapeFor(target.scheme, flags, stdout.isTTY && flags.exec === undefined);
    let broke: (interruption: Interruption) => void = () => undefined;
    this.#broken = new Promise((resolve) => {
      broke = resolve;
    });
    this.#broke = broke;
    // Each program of `--exec`, and each dialing of `relay`, listens to it; Node would warn of more than ten.
    setMaxListeners(0, this.#stopping.signal);
    this.#target = target;
    this.#flags = flags;
    this.#isForPeople = stdout.isTTY && stderr.isTTY;
    this.#notices = new Notices(stderr, this.#isForPeople, flags.verbose === true);
    this.#attendance = new Attendance(this.#notices, flags.ping === true);
    this.#input = new Input(stdin, shape);
    this.#output = new Output(stdout, (failure) => broke(outputGone(failure)));
    this.#pump = {
      input: this.#input,
      output: this.#output,
      shape,
      timeoutMs: flags.timeout,
      closing: flags.close,
      onMistake: (error) => this.#notices.warn(error.message),
      unsent: flags.keep === true || flags.reconnect === true ? tellingUnsent(this.#notices) : undefined,
    };
  }

  /** Does what it is told, and cleans up. @throws UserError for everything a user can mend. */
  async run(work: (command: TerminalCommand) => Promise<number>): Promise<number> {
    process.on("uncaughtException", crashed);
    try {
      const { record } = this.#flags;
      if (record !== undefined) {
        this.#recorder = await Recorder.open(record, (failure) => this.#broke(outputGone(failure)));
      }
      return await work(this);
    } catch (error) {
      throw explained(error);
    } finally {
      // All that was written has left.
      this.#input.close();
      await Promise.all([this.#output.flushed(), this.#recorder?.close()]);
    }
  }

  async listen(): Promise<number> {
    const { echo, broadcast, exec } = this.#flags;
    return this.#listen((door) => {
      if (echo) return this.#echoAll(door);
      if (broadcast) return this.#broadcastAll(door);
      return exec === undefined ? this.#takeInTurn(door) : this.#execAll(door);
    });
  }

  async dial(): Promise<number> {
    const { keep, reconnect } = this.#flags;
    this.#warnOfInsecure(this.#flags);
    const isAgain = keep === true || reconnect === true;
    const work = isAgain ? this.#dialAgainAndAgain() : this.#dialOnce();
    return untilInterrupted(work, this.#broken, () => this.#stop(NORMAL));
  }

  async scan(targets: readonly Target[]): Promise<number> {
    this.#warnOfInsecure(this.#flags);
    const { signal } = this.#stopping;
    const work = scan(targets, this.#flags, this.#output, process.stdout.isTTY, signal);
    return untilInterrupted(work, this.#broken, () => this.#stop(NORMAL));
  }

  async relay(to: Target, flags: Flags): Promise<number> {
    this.#warnOfInsecure(flags);
    const seldom = new Seldom();
    const { maxConnections = DEFAULT_MAX_PAIRS } = this.#flags;
    return this.#listen(async (door) => {
      await eachInItsPlace(this.#links(door), maxConnections, (from) =>
        this.#attendance.serve(from, () => this.#relayOne(from, to, flags, seldom)),
      );
      return EXIT.ok;
    });
  }

  async #listen(work: (door: Door) => Promise<number>): Promise<number> {
    const door = await this.#openDoor();
    const url = listeningUrl(this.#target, door.address);
    this.#notices.announce("listening", `listening on ${url}`, {
      url,
      address: door.address,
      port: door.port,
    });
    return untilInterrupted(work(door), this.#broken, async () => {
      await Promise.all([this.#stop(GOING_AWAY), door.drain(Date.now() + STOP_MS)]);
    });
  }

  async #stop(code: number): Promise<void> {
    this.#stopping.abort();
    this.#input.close();
    await Promise.all([
      this.#attendance.closeAll(this.#flags.close ?? { code, reason: "" }),
      programsEnded(),
    ]);
  }

  #warnOfInsecure({ insecure }: Flags): void {
    if (insecure) {
      this.#notices.warn(
        "WARNING: --insecure: the server's certificate is not checked; whoever is in between can read and change everything.",
      );
    }
  }

  // Listening.

  async #echoAll(door: Door): Promise<number> {
    const { timeout } = this.#flags;
    for await (const link of this.#links(door))
      void this.#attendance.serve(link, (touch) => this.#echo(link, touch), timeout);
    return EXIT.ok;
  }

  async #broadcastAll(door: Door): Promise<number> {
    const { timeout } = this.#flags;
    const everybody = new Broadcast(timeout, (peer) => {
      this.#notices.tell("cut", `cut off ${peer}: it takes nothing`, { peer });
    });
    const feeding = this.#feed(everybody);
    const serving = (async () => {
      for await (const link of this.#links(door)) {
        const messages = link.form === "bytes" ? asMessages(link, this.#flags) : link;
        const join = async (touch: () => void): Promise<End> => ended(await everybody.join(messages, touch));
        void this.#attendance.serve(messages, join, timeout, () => everybody.isHeldUp);
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
    for await (const link of this.#links(door)) {
      waiting.stop();
      if (!keep) {
        // Not waited for: a door of datagrams closes only once the last peer has.
        void door.close();
        return exitCode(await this.#attendance.attend(link, () => this.#join(link)));
      }
      // The pump has a timer of its own.
      await this.#attendance.serve(link, () => this.#join(link));
    }
    waiting.stop();
    return isLate ? EXIT.timeout : EXIT.ok;
  }

  async #execAll(door: Door): Promise<number> {
    const { maxConnections = DEFAULT_MAX_PROGRAMS } = this.#flags;
    await eachInItsPlace(this.#links(door), maxConnections, (link) =>
      this.#attendance.serve(link, () => this.#exec(link)),
    );
    return EXIT.ok;
  }

  async #relayOne(from: Link, target: Target, flags: Flags, seldom: Seldom): Promise<End> {
    let to: Link;
    const agreed =
      from.form === "messages" && from.subprotocol !== undefined ? [from.subprotocol] : undefined;
    const { signal } = this.#stopping;
    const subprotocol = from.form === "bytes" ? flags.subprotocol : agreed;
    try {
      to = await connect(target, { ...flags, subprotocol, timeout: flags.timeout ?? RELAY_DIAL_MS }, signal);
    } catch (error) {
      cut(from, "from");
      seldom.tell(() => signal.aborted || this.#notices.warn(sentence(error)));
      throw error;
    }
    return this.#attendance.hold(to, () => relay(from, to, flags));
  }

  // Dialing.

  async #dialOnce(onConnected?: () => void): Promise<number> {
    const link = await this.#connect();
    onConnected?.();
    const { echo, exec, timeout } = this.#flags;
    const mode = (): Promise<End> => (exec === undefined ? this.#join(link) : this.#exec(link));
    if (!echo) return exitCode(await this.#attendance.attend(link, mode));
    let end: End = "ended";
    const idle = new IdleTimer(timeout, () => {
      end = "timeout";
      link.conn.abort();
    });
    try {
      await this.#attendance.attend(link, () => this.#echo(link, () => idle.touch()));
    } catch (error) {
      if (end === "ended") throw error;
    } finally {
      idle.stop();
    }
    return exitCode(end);
  }

  async #dialAgainAndAgain(): Promise<number> {
    const { signal } = this.#stopping;
    const { reconnect } = this.#flags;
    const wait = new RedialWait(reconnect === true);
    while (!signal.aborted) {
      try {
        await this.#dialOnce(() => wait.succeeded());
        if (reconnect && this.#input.hasSaidAll) return EXIT.ok;
      } catch (error) {
        const known = explained(error);
        if (!(known instanceof UserError) || known.exitCode === EXIT.usage) throw error;
        this.#notices.tell("failed", known.message, { reason: known.message });
      }
      const waitMs = wait.next();
      if (reconnect) {
        this.#notices.tell("reconnecting", `dialing again in ${(waitMs / 1000).toFixed(1)} s`, { waitMs });
      }
      await pause(waitMs, signal);
    }
    return EXIT.ok;
  }

  async #connect(): Promise<Link> {
    return this.#recorded(await connect(this.#target, this.#flags, this.#stopping.signal));
  }

  #openDoor(): Promise<Door> {
    return openDoor(
      this.#target,
      this.#flags,
      (peer, reason, advice) => {
        this.#notices.tell("refused", `refused ${peer}: ${reason}`, { peer, reason });
        if (advice !== undefined) this.#notices.warn(advice);
      },
      (error) => this.#notices.warn(`the old certificate stays in use: ${sentence(error)}`),
    );
  }

  async *#links(door: Door): AsyncGenerator<Link, void> {
    for await (const link of door.links()) yield this.#recorded(link);
  }

  #recorded(link: Link): Link {
    return this.#recorder?.recorded(link) ?? link;
  }

  // Modes.

  #exec(link: Link): Promise<End> {
    return runProgram(link, this.#pump.shape, this.#flags, this.#stopping.signal);
  }

  #join(link: Link): Promise<End> {
    return link.form === "bytes" ? pumpBytes(link.conn, this.#pump) : pumpMessages(link, this.#pump);
  }

  async #echo(link: Link, touch: () => void): Promise<End> {
    if (link.form === "messages") return ended(await echoMessages(link.conn, touch));
    if (this.#flags.lines) return ended(await echoMessages(asMessages(link, this.#flags).conn, touch));
    await echoBytes(link.conn, touch);
    return "ended";
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
