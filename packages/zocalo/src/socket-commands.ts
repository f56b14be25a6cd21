import { NetError } from "@zocalo/net";
import { WebSocketError } from "@zocalo/websocket";
import { type Command, InvalidArgumentError } from "commander";
import { exchange, type ExchangeEnd, receiveAll } from "./exchange.ts";
import { EXIT, UserError } from "./exit-code.ts";
import { dialTo, listenFor, type OpenOptions, type TrafficListener } from "./open-traffic.ts";
import { type Format, readInput, writeOutput } from "./standard-streams.ts";
import { StopSignals } from "./stop-signal.ts";
import { parseTarget, type Target } from "./target.ts";
import type { Traffic } from "./traffic.ts";

/** Conformance suites send messages of 16 MiB; a server for strangers takes far less. */
const DEFAULT_MAX_MESSAGE = 64 * 1_048_576;
/** How long open connections may take to close after a signal, in milliseconds. */
const DRAIN_MS = 2_000;

interface SocketFlags {
  readonly echo?: boolean;
  readonly broadcast?: boolean;
  readonly keep?: boolean;
  readonly lines?: boolean;
  readonly hex?: boolean;
  readonly binary?: boolean;
  readonly text?: boolean;
  readonly timeout?: number;
  readonly proxyProtocol?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly subprotocol?: readonly string[];
  readonly header?: readonly string[];
  readonly origin?: string;
  readonly compress?: boolean;
  readonly ping?: number;
  readonly close?: { code: number; reason: string };
  readonly maxMessage: number;
  readonly quiet?: boolean;
}

/** Adds `listen` and `dial`. `setExitCode` is told how it ended. */
export function addSocketCommands(program: Command, setExitCode: (code: number) => void): void {
  const listenCommand = program
    .command("listen")
    .description("accept connections, and join them with standard input and output")
    .argument("<target>", "tcp://:7000, udp://:7000, unix:PATH, tls://:7000, ws://:8080/path, wss://…")
    .option("--broadcast", "send everything that comes to all connections")
    .option("--keep", "go on after the first connection; standard input goes to all of them")
    .option("--proxy-protocol <TRUSTED>", "take addresses from these proxies (IPs or networks, by commas)")
    .option("--cert <FILE>", "certificate chain for tls: and wss: (PEM)")
    .option("--key <FILE>", "its private key (PEM)");
  addCommon(listenCommand).action(async (target: string, flags: SocketFlags) => {
    setExitCode(await explainFailures(() => listenAt(parseTarget(target), flags)));
  });
  const dialCommand = program
    .command("dial")
    .description("connect, and join the connection with standard input and output")
    .argument("<target>", "tcp://HOST:PORT, udp://…, unix:PATH, tls://…, ws://HOST:PORT/PATH, wss://…")
    .option("--ca <FILE>", "authorities to trust for tls: and wss: (PEM)")
    .option("--insecure", "DANGER: accept any certificate")
    .option("-H, --header <LINE>", "add a header to a WebSocket's request; may be repeated", collect)
    .option("--origin <ORIGIN>", "the Origin header");
  addCommon(dialCommand).action(async (target: string, flags: SocketFlags) => {
    setExitCode(await explainFailures(() => dialAt(parseTarget(target), flags)));
  });
}

function addCommon(command: Command): Command {
  return command
    .option("--echo", "send everything back")
    .option("--lines", "a stream carries lines; datagrams and WebSockets always do here")
    .option("--hex", "hexadecimal digits on standard input and output, a message per line")
    .option("--binary", "lines of the input become binary WebSocket messages")
    .option("--text", "lines of the input become text messages (default)")
    .option("--timeout <SECONDS>", "give up when nothing came for so long: exit code 3", seconds)
    .option("--subprotocol <NAME>", "WebSocket subprotocol; may be repeated", collect)
    .option("--compress", "permessage-deflate")
    .option("--ping <SECONDS>", "ping a silent WebSocket peer so often; 0: never", seconds)
    .option(
      "--close <CODE:REASON>",
      "how to close a WebSocket, a second after the input has ended and nothing comes any more",
      closing,
    )
    .option("--max-message <BYTES>", "largest message (default 67108864)", byteCount, DEFAULT_MAX_MESSAGE)
    .option("-q, --quiet", "no word on standard error but failures")
    .addHelpText("after", NOTES);
}

const NOTES = `
What happens is told on standard error: in words on a terminal, as JSON lines where standard output is not one.
Exit codes: 0 ended in order, 1 the network failed, 2 wrong command line, 3 nothing came in time.`;

async function dialAt(target: Target, flags: SocketFlags): Promise<number> {
  const { timeout } = flags;
  const signal = timeout === undefined ? undefined : AbortSignal.timeout(timeout);
  let traffic: Traffic;
  try {
    traffic = await dialTo(target, { ...openOptions(target, flags), signal });
  } catch (error) {
    if (signal?.aborted) return EXIT.timeout;
    throw error;
  }
  const say = reporter(flags);
  say("connected", { peer: traffic.peer });
  using signals = new StopSignals(process, (code) => process.exit(code));
  const isStopped = signals.first.then(async () => {
    process.stdin.destroy();
    await traffic.close().catch(() => undefined);
    return "ended" as const;
  });
  return codeOf(await Promise.race([isStopped, exchange(traffic, exchangeOptions(target, flags))]));
}

async function listenAt(target: Target, flags: SocketFlags): Promise<number> {
  const say = reporter(flags);
  const listener = await listenFor(target, openOptions(target, flags));
  say("listening", { address: listener.address });
  using signals = new StopSignals(process, (code) => process.exit(code));
  const isStopped = signals.first.then(async () => {
    process.stdin.destroy();
    await listener.drain(Date.now() + DRAIN_MS);
    return "ended" as const;
  });
  const isForMany = flags.keep === true || flags.echo === true || flags.broadcast === true;
  const work = isForMany ? serveAll(listener, target, flags) : serveOne(listener, target, flags);
  return codeOf(await Promise.race([isStopped, work]));
}

/** As netcat does: one connection, and when it ends that was it. */
async function serveOne(listener: TrafficListener, target: Target, flags: SocketFlags): Promise<ExchangeEnd> {
  for await (const traffic of listener) {
    await listener.close();
    reporter(flags)("connected", { peer: traffic.peer });
    return exchange(traffic, exchangeOptions(target, flags));
  }
  return "ended";
}

/** Serves every connection until a signal comes; one that breaks is no matter to the others. */
async function serveAll(listener: TrafficListener, target: Target, flags: SocketFlags): Promise<ExchangeEnd> {
  const say = reporter(flags);
  const format = formatFor(target, flags);
  const open = new Set<Traffic>();
  const toAll = async (message: string | Uint8Array) => {
    // The slowest holds the others back; --timeout ends one that takes nothing.
    await Promise.allSettled(Array.from(open, (traffic) => traffic.send(message)));
  };
  const handle = async (traffic: Traffic) => {
    open.add(traffic);
    say("connected", { peer: traffic.peer });
    try {
      await receiveAll(traffic, flags.timeout, (message) => {
        if (flags.broadcast) return toAll(message);
        return flags.echo ? traffic.send(message) : writeOutput(process.stdout, message, format);
      });
      say("ended", { peer: traffic.peer });
    } catch (error) {
      say("broke", { peer: traffic.peer, reason: error instanceof Error ? error.message : String(error) });
    } finally {
      open.delete(traffic);
    }
  };
  if (flags.echo !== true && flags.broadcast !== true) {
    void (async () => {
      for await (const message of readInput(process.stdin, format)) await toAll(message);
    })().catch((error: unknown) => {
      if (!process.stdin.destroyed) say("input failed", { reason: String(error) });
    });
  }
  for await (const traffic of listener) void handle(traffic);
  return "ended";
}

function openOptions(target: Target, flags: SocketFlags): OpenOptions {
  const origin = flags.origin === undefined ? [] : [`Origin: ${flags.origin}`];
  const headers = [...(flags.header ?? []), ...origin].map(parseHeader);
  return {
    isLines: target.kind === "stream" && flags.lines === true,
    maxMessageBytes: flags.maxMessage,
    certFile: flags.cert,
    keyFile: flags.key,
    caFile: flags.ca,
    isInsecure: flags.insecure,
    proxies: flags.proxyProtocol?.split(","),
    subprotocols: flags.subprotocol,
    headers: headers.length === 0 ? undefined : Object.fromEntries(headers),
    compression: flags.compress,
    pingIntervalMs: flags.ping,
    closing: flags.close,
  };
}

function exchangeOptions(target: Target, flags: SocketFlags) {
  return { format: formatFor(target, flags), isEcho: flags.echo === true, idleMs: flags.timeout };
}

function formatFor(target: Target, flags: SocketFlags): Format {
  const isMessages = target.kind !== "stream" || flags.lines === true;
  return {
    kind: flags.hex ? "hex" : isMessages ? "lines" : "bytes",
    isBinary: flags.binary === true,
    maxLineBytes: flags.maxMessage,
  };
}

/** Tells what happens. Words for a terminal; otherwise one JSON object per line, so that a script can wait for it. */
function reporter({ quiet }: SocketFlags) {
  return (event: string, details: Readonly<Record<string, string>>): void => {
    if (quiet) return;
    const line = process.stdout.isTTY
      ? `${event} ${Object.values(details).join(": ")}`
      : JSON.stringify({ event, ...details });
    process.stderr.write(`${line}\n`);
  };
}

function codeOf(end: ExchangeEnd): number {
  return end === "idle" ? EXIT.timeout : EXIT.ok;
}

/** What the network says is one sentence, not a stack trace. */
async function explainFailures(work: () => Promise<number>): Promise<number> {
  // Whoever read the output has left (`zocalo dial … | head`): there is nothing more to do, and nothing to say.
  process.stdout.on("error", () => process.exit(EXIT.failed));
  try {
    return await work();
  } catch (error) {
    const isMistake = error instanceof NetError || error instanceof WebSocketError;
    if (!isMistake && !(error instanceof Error && "syscall" in error)) throw error;
    const isUsage =
      "code" in error && (error.code === "invalid_argument" || error.code === "invalid_address");
    throw new UserError(error.message, isUsage ? EXIT.usage : EXIT.failed);
  }
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** Seconds, with decimals, as milliseconds. */
function seconds(value: string): number {
  if (!/^\d{1,6}(?:\.\d{1,3})?$/.test(value))
    throw new InvalidArgumentError("Allowed: seconds, such as 2 or 0.5.");
  return Math.round(Number(value) * 1_000);
}

function byteCount(value: string): number {
  if (!/^[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError("Allowed: a whole number of bytes.");
  return Number(value);
}

function closing(value: string): { code: number; reason: string } {
  const [, code, reason = ""] = /^(\d{4})(?::(.*))?$/s.exec(value) ?? [];
  if (code === undefined)
    throw new InvalidArgumentError("Allowed: a close code and perhaps a reason, such as 1000:bye.");
  return { code: Number(code), reason };
}

function parseHeader(line: string): [string, string] {
  const [, name, value] = /^([^:\s]+):\s*(.*)$/s.exec(line) ?? [];
  if (name === undefined || value === undefined) {
    throw new UserError(`The header ${JSON.stringify(line)} is not "Name: value".`, EXIT.usage);
  }
  return [name, value];
}
