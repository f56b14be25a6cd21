import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { Duplex, type Readable, type Writable } from "node:stream";
import {
  type CaseBase,
  type CaseContext,
  codeOf,
  type Decks,
  drawSize,
  FAR_READINGS,
  FarEnd,
  type FarReading,
  Kept,
  must,
  nap,
  Random,
  type Scenario,
  StreamLedger,
} from "@zocalo/integrity";
import type { Conn } from "@zocalo/net";
import type { Links } from "./links.ts";
import { isAdapter, WRITE_STYLES, Writer, type WriteStyle } from "./write-styles.ts";

type Network = "tcp" | "unix" | "tls";

/** A program that connects to us or listens, and joins the connection to its standard input and output. */
interface Program {
  readonly name: string;
  readonly network: Network;
  /** True if it ends its side when its standard input ends. */
  readonly halfCloses: boolean;
  /**
   * It listens, and we dial. What its standard error says as soon as it does; `silent` if it says nothing.
   */
  readonly listens?: RegExp | "silent";
  command(address: string, identities: Links["identities"]): readonly [string, ...string[]];
}

/** Joins the socket `s` to standard input and output. */
const PYTHON_JOIN = `
def receive():
    while True:
        got = s.recv(30000)
        if not got: break
        sys.stdout.buffer.write(got); sys.stdout.buffer.flush()
t = threading.Thread(target=receive); t.start()
while True:
    some = sys.stdin.buffer.read1(30000)
    if not some: break
    s.sendall(some)
s.shutdown(socket.SHUT_WR)
t.join()
`;

const PYTHON_CONNECT = `
import socket, sys, threading
address = sys.argv[1]
if ":" in address:
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
else:
    s = socket.socket(socket.AF_UNIX); s.connect(address)
${PYTHON_JOIN}`;

const PYTHON_LISTEN = `
import socket, sys, threading
address = sys.argv[1]
if ":" in address:
    host, port = address.rsplit(":", 1)
    l = socket.create_server((host, int(port)))
else:
    l = socket.socket(socket.AF_UNIX); l.bind(address); l.listen()
print("listening", file=sys.stderr, flush=True)
s, _ = l.accept()
${PYTHON_JOIN}`;

/** Those that listen come last, so that a case means the same as it did before there were any. */
const PROGRAMS: readonly Program[] = [
  {
    name: "nc",
    network: "tcp",
    halfCloses: true,
    command: (address) => ["nc", "-N", ...hostAndPort(address)],
  },
  { name: "nc", network: "unix", halfCloses: true, command: (address) => ["nc", "-N", "-U", address] },
  {
    name: "socat",
    network: "tcp",
    halfCloses: true,
    command: (address) => ["socat", "-t60", "STDIO", `TCP:${address}`],
  },
  {
    name: "socat",
    network: "unix",
    halfCloses: true,
    command: (address) => ["socat", "-t60", "STDIO", `UNIX-CONNECT:${address}`],
  },
  {
    name: "python3",
    network: "tcp",
    halfCloses: true,
    command: (address) => ["python3", "-c", PYTHON_CONNECT, address],
  },
  {
    name: "python3",
    network: "unix",
    halfCloses: true,
    command: (address) => ["python3", "-c", PYTHON_CONNECT, address],
  },
  {
    name: "openssl",
    network: "tls",
    halfCloses: false,
    command: (address, { authority }) => [
      ...(["openssl", "s_client", "-quiet", "-connect", address] as const),
      ...["-CAfile", authority.certFile, "-verify_return_error"],
    ],
  },
  {
    name: "nc",
    network: "tcp",
    halfCloses: true,
    listens: /^Listening on/m,
    command: (address) => ["nc", "-l", "-n", "-v", "-N", ...hostAndPort(address)],
  },
  {
    name: "nc",
    network: "unix",
    halfCloses: true,
    listens: /^Listening on/m,
    command: (address) => ["nc", "-l", "-v", "-N", "-U", address],
  },
  {
    name: "socat",
    network: "tcp",
    halfCloses: true,
    listens: / listening on /,
    command: (address) => {
      const [host, port] = hostAndPort(address);
      return ["socat", "-d", "-d", "-t60", `TCP-LISTEN:${port},bind=${host}`, "STDIO"];
    },
  },
  {
    name: "socat",
    network: "unix",
    halfCloses: true,
    listens: / listening on /,
    command: (address) => ["socat", "-d", "-d", "-t60", `UNIX-LISTEN:${address}`, "STDIO"],
  },
  {
    name: "python3",
    network: "tcp",
    halfCloses: true,
    listens: /^listening$/m,
    command: (address) => ["python3", "-c", PYTHON_LISTEN, address],
  },
  {
    name: "python3",
    network: "unix",
    halfCloses: true,
    listens: /^listening$/m,
    command: (address) => ["python3", "-c", PYTHON_LISTEN, address],
  },
  {
    name: "openssl",
    network: "tls",
    halfCloses: false,
    listens: "silent",
    command: (address, { authority, identity }) => [
      ...(["openssl", "s_server", "-quiet", "-naccept", "1", "-accept", address] as const),
      ...["-cert", identity.certFile, "-key", identity.keyFile, "-CAfile", authority.certFile],
    ],
  },
];

function hostAndPort(address: string): [string, string] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon), address.slice(colon + 1)];
}

/** One connection of a program that is not Node. */
interface ForeignCase extends CaseBase {
  /** Its place in the list of programs. */
  readonly program: number;
  readonly outBytes: number;
  readonly inBytes: number;
  readonly write: WriteStyle;
  readonly farRead: FarReading;
}

/** Real programs as peers, those that are installed. */
export function foreignProgramScenario(links: Links): Scenario<ForeignCase> | undefined {
  const names = [...new Set(PROGRAMS.map(({ name }) => name))].filter(isInstalled);
  const installed = PROGRAMS.flatMap(({ name }, index) => (names.includes(name) ? [index] : []));
  if (installed.length === 0) return undefined;
  return {
    name: "foreign program",
    weight: 2,
    draw: (decks) => drawForeign(decks, installed),
    run: (drawn, context) => runForeign(links, drawn, context),
    *simpler(drawn) {
      if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0 };
      if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
      if (drawn.write !== "awaited") yield { ...drawn, write: "awaited" };
      if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
      if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
      if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
    },
  };
}

function isInstalled(name: string): boolean {
  const tried = spawnSync(name, [name === "nc" ? "-h" : "version"], { stdio: "ignore", timeout: 20_000 });
  return tried.error === undefined;
}

function drawForeign(decks: Decks, installed: readonly number[]): ForeignCase {
  const { random } = decks;
  const styles = WRITE_STYLES.filter((style) => !isAdapter(style));
  return {
    scenario: "foreign program",
    seed: random.fork(),
    program: decks.deal("program", installed),
    outBytes: drawSize(random, 3_000_000),
    inBytes: drawSize(random, 3_000_000),
    write: decks.deal("program write", styles),
    farRead: decks.deal("program far read", FAR_READINGS),
  };
}

async function runForeign(links: Links, drawn: ForeignCase, context: CaseContext): Promise<void> {
  const random = new Random(context.random.fork());
  const program = PROGRAMS[drawn.program];
  if (program === undefined) throw new Error(`no program ${drawn.program}`);
  const { conn, child } = await (program.listens === undefined
    ? startConnecting(links, program)
    : startListening(links, program, context));
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error("not started");
  context.onEnd(() => {
    conn.abort();
    child.kill();
  });
  stdin.on("error", () => undefined); // seen by what comes
  const far = new FarEnd(joined(stdout, stdin), drawn.farRead, random);
  far.stream.on("error", () => undefined);
  const ledger = new StreamLedger(context.stream());
  const inStream = context.stream();
  const kept = new Kept("keep", random);
  const writer = new Writer({
    conn,
    ledger,
    bytes: drawn.outBytes,
    style: drawn.write,
    random,
    mayOverwrite: true,
  });
  const writing = writer.run();
  const farWriting = far.write(inStream, drawn.inBytes, "whole").then(() => program.halfCloses && far.end());
  const reading = read(conn, inStream, drawn.inBytes, program.halfCloses, kept);
  for (const part of [writing, farWriting, reading]) part.catch((error: unknown) => context.fail(error));
  await Promise.all([writing, farWriting, reading]);
  must(writer.failure === undefined, () => `writing failed on a sound connection: ${String(writer.failure)}`);
  // `close` cuts what nobody waited for; this waits for it.
  if (drawn.write === "nobody waits") await conn.closeWrite();
  await conn.close();
  await far.ended;
  ledger.mustBeSettled();
  ledger.check(far.received, "in order");
  kept.verify();
}

/** A program and our end of the connection to it. */
interface Started {
  readonly conn: Conn;
  readonly child: ChildProcess;
}

async function startConnecting(links: Links, program: Program): Promise<Started> {
  let child: ChildProcess | undefined;
  const conn = await links.accept(program.network, (address) => {
    const [file, ...args] = program.command(address, links.identities);
    child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"] });
  });
  if (child === undefined) throw new Error("not started");
  return { conn, child };
}

/**
 * How long a program may take until it listens, and how often it is started: its port may have been taken.
 */
const LISTEN_TIMEOUT_MS = 20_000;
const LISTEN_TRIES = 3;

async function startListening(links: Links, program: Program, context: CaseContext): Promise<Started> {
  const deadline = performance.now() + LISTEN_TIMEOUT_MS;
  let said = "";
  for (let tries = 0; tries < LISTEN_TRIES; tries += 1) {
    said = "";
    const address = await links.freeAddress(program.network);
    const [file, ...args] = program.command(address, links.identities);
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    context.onEnd(() => child.kill());
    child.stdin.on("error", () => undefined); // it has ended, which is looked at
    let isOver = false;
    const over = new Promise<void>((resolve) => {
      child.once("close", () => {
        isOver = true;
        resolve();
      });
    });
    const listening = new Promise<void>((resolve) => {
      if (program.listens === "silent") resolve();
      child.stderr.on("data", (bytes: Buffer) => {
        said += bytes.toString();
        if (program.listens instanceof RegExp && program.listens.test(said)) resolve();
      });
    });
    await Promise.race([listening, over]);
    while (!isOver) {
      try {
        return { conn: await links.dial(program.network, address), child };
      } catch (error) {
        const isEarly = codeOf(error) === "refused" || codeOf(error) === "not_found";
        if (!isEarly || performance.now() > deadline) throw error;
        await nap(5);
      }
    }
  }
  throw new Error(`${program.name} does not listen: ${said}`);
}

/**
 * Standard output and input of a program as one stream. Not by `Duplex.from`: it throws away what came when a
 * program ends without reading to the end.
 */
function joined(stdout: Readable, stdin: Writable): Duplex {
  const duplex = new Duplex({
    read: () => void stdout.resume(),
    write: (chunk: Uint8Array, _encoding, done) => void stdin.write(chunk, () => done()),
    final: (done) => void stdin.end(() => done()),
  });
  stdout.on("data", (bytes) => void (duplex.push(bytes) || stdout.pause()));
  stdout.on("end", () => duplex.push(null));
  return duplex;
}

/** Reads all that is sent, and its end if there will be one. */
async function read(conn: Conn, stream: number, bytes: number, hasEnd: boolean, kept: Kept): Promise<void> {
  let position = 0;
  while (position < bytes || hasEnd) {
    const portion = await conn.read();
    if (portion === null) break;
    const { length } = portion;
    kept.take(portion, stream, position);
    position += length;
  }
  must(position === bytes, () => `reading ended in order after ${position} of ${bytes} bytes`);
}
