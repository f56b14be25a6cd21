import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { Duplex, type Readable, type Writable } from "node:stream";
import {
  type CaseBase,
  type CaseContext,
  type Decks,
  drawSize,
  FAR_READINGS,
  FarEnd,
  type FarReading,
  Kept,
  must,
  Random,
  type Scenario,
  StreamLedger,
} from "@zocalo/integrity";
import type { Conn } from "@zocalo/net";
import type { Links } from "./links.ts";
import { isAdapter, WRITE_STYLES, Writer, type WriteStyle } from "./write-styles.ts";

type Network = "tcp" | "unix" | "tls";

/** A program that connects, and joins the connection to its standard input and output. */
interface Program {
  readonly name: string;
  readonly network: Network;
  /** True if it ends its side when its standard input ends. */
  readonly halfCloses: boolean;
  command(address: string): readonly [string, ...string[]];
}

const PYTHON = `
import socket, sys, threading
address = sys.argv[1]
if ":" in address:
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
else:
    s = socket.socket(socket.AF_UNIX); s.connect(address)
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

const PROGRAMS: readonly Program[] = [
  {
    name: "nc",
    network: "tcp",
    halfCloses: true,
    command: (address) => [
      "nc",
      "-N",
      address.slice(0, address.lastIndexOf(":")),
      address.slice(address.lastIndexOf(":") + 1),
    ],
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
    command: (address) => ["python3", "-c", PYTHON, address],
  },
  {
    name: "python3",
    network: "unix",
    halfCloses: true,
    command: (address) => ["python3", "-c", PYTHON, address],
  },
  {
    name: "openssl",
    network: "tls",
    halfCloses: false,
    command: (address) => ["openssl", "s_client", "-quiet", "-connect", address],
  },
];

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
  const installed = PROGRAMS.flatMap(({ name }, index) =>
    spawnSync(name, [name === "nc" ? "-h" : "version"], { stdio: "ignore", timeout: 20_000 }).error ===
    undefined
      ? [index]
      : [],
  );
  if (installed.length === 0) return undefined;
  return {
    name: "foreign program",
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
  let child: ChildProcess | undefined;
  const conn = await links.accept(program.network, (address) => {
    const [command, ...args] = program.command(address);
    child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
  });
  const { stdin, stdout } = child ?? {};
  if (!stdin || !stdout) throw new Error("not started");
  context.onEnd(() => {
    conn.abort();
    child?.kill();
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
  await conn.close();
  await far.ended;
  ledger.mustBeSettled();
  ledger.check(far.received, "in order");
  kept.verify();
}

/** Standard output and input of a program as one stream. Not by `Duplex.from`: it throws away what came when a program ends without reading to the end. */
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
