// What can be asked and changed on a live connection or listener: byte counts, `ref`, `unref`, no-delay,
// keep-alive.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TestCertificates } from "@zocalo/integrity";
import {
  type Conn,
  dial,
  fromNodeStream,
  fromWebStreams,
  listen,
  pipe,
  type StreamListener,
  toNodeStream,
  toWebStreams,
} from "@zocalo/net";
import type { SocketTransport } from "../src/stream/socket-transport.ts";
import { StreamConn } from "../src/stream/stream-conn.ts";

const certificates = new TestCertificates();
const { cert, key } = certificates.issue("localhost", ["localhost"]);
const directory = mkdtempSync(join(tmpdir(), "zocalo-controls-"));
after(() => {
  certificates.remove();
  rmSync(directory, { recursive: true });
});

type Network = "tcp" | "tls" | "unix";

async function listening(network: Network): Promise<StreamListener> {
  if (network === "unix") return listen("unix", join(directory, "s"));
  return network === "tcp" ? listen("tcp", "127.0.0.1:0") : listen("tls", "127.0.0.1:0", { cert, key });
}

async function dialed(network: Network, listener: StreamListener): Promise<Conn> {
  const address = String(listener.addr);
  if (network === "unix") return dial("unix", address);
  if (network === "tcp") return dial("tcp", address);
  return dial("tls", address, { ca: certificates.ca.cert, serverName: "localhost" });
}

async function exchange(a: Conn, b: Conn): Promise<void> {
  assert.deepEqual([a.bytesRead, a.bytesWritten, b.bytesRead, b.bytesWritten], [0, 0, 0, 0]);
  const received = b.readFull(300_000);
  await a.writev([Buffer.alloc(299_999), Buffer.alloc(1)]);
  await received;
  const answered = a.readFull(7);
  await b.write(Buffer.alloc(7));
  await answered;
  const counts = (): number[] => [a.bytesRead, a.bytesWritten, b.bytesRead, b.bytesWritten];
  assert.deepEqual(counts(), [7, 300_000, 300_000, 7]);
  await Promise.all([a.close(), b.close()]);
  assert.deepEqual(counts(), [7, 300_000, 300_000, 7], "after close");
}

for (const network of ["tcp", "tls", "unix"] as const) {
  test(`${network}: bytes are counted on both ends, and still known when it is closed; the listener has them too`, async () => {
    await using listener = await listening(network);
    const a = await dialed(network, listener);
    const b = await listener.accept();
    const c = await dialed(network, listener);
    const d = await listener.accept();
    await c.write(Buffer.alloc(5));
    await d.readFull(5);
    assert.deepEqual(listener.totals(), { accepted: 2, refused: 0, open: 2, bytesRead: 5, bytesWritten: 0 });
    await exchange(a, b);
    d.abort();
    await c.read().catch(() => null); // A Unix socket has no reset.
    assert.equal(c.bytesWritten, 5);
    assert.equal(d.bytesRead, 5);
    await listener.abort();
    const { accepted, bytesRead, bytesWritten } = listener.totals();
    assert.deepEqual([accepted, bytesRead, bytesWritten], [2, 300_005, 7]);
  });
}

for (const [what, pair] of [
  ["pipe", () => pipe()],
  [
    "Web streams",
    () => {
      const [a, b] = pipe();
      return [fromWebStreams(toWebStreams(a)), b] as const;
    },
  ],
  [
    "a stream of Node's",
    () => {
      const [a, b] = pipe();
      return [fromNodeStream(toNodeStream(a)), b] as const;
    },
  ],
] as const) {
  test(`${what}: bytes are counted on both ends, and nothing else can be set`, async () => {
    const [a, b] = pair();
    a.unref();
    a.ref();
    a.setNoDelay(false);
    a.setKeepAlive(false);
    await exchange(a, b);
  });
}

test("what nobody has taken is not counted as written", async () => {
  await using listener = await listening("tcp");
  const conn = await dialed("tcp", listener);
  await listener.accept();
  const controller = new AbortController();
  const writing = conn.write(Buffer.alloc(64_000_000), { signal: controller.signal });
  while (conn.bytesWritten === 0) await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(writing);
  assert.ok(conn.bytesWritten > 0 && conn.bytesWritten < 64_000_000, String(conn.bytesWritten));
  conn.abort();
});

for (const network of ["tcp", "tls", "unix"] as const) {
  test(`${network}: what a listener has cut still counts in its totals`, async () => {
    await using listener = await listening(network);
    const conn = await dialed(network, listener);
    const accepted = await listener.accept();
    await conn.write(Buffer.alloc(5));
    await accepted.readFull(5);
    const aborted = listener.abort();
    assert.equal(listener.totals().bytesRead, 5);
    await aborted;
    assert.equal(listener.totals().bytesRead, 5);
    while (!(await isOver(conn))) await new Promise(setImmediate);
    assert.equal(listener.totals().bytesRead, 5);
  });
}

async function isOver(conn: Conn): Promise<boolean> {
  try {
    return (await conn.read()) === null;
  } catch {
    return true;
  }
}

for (const [how, cut] of [
  ["abort", async (conn: Conn) => conn.abort()],
  ["a close that took too long", async (conn: Conn) => conn.close().catch(() => undefined)],
] as const) {
  test(`what a peer reads of a write that ${how} has cut short is counted as written`, async () => {
    await using listener = await listen("unix", join(directory, "s"), { closeTimeoutMs: 50 });
    const peer = await dialed("unix", listener);
    const conn = await listener.accept();
    void conn.write(Buffer.alloc(3_000_000)); // Past what the system takes of it nothing happens any more.
    await cut(conn);
    let received = 0;
    for await (const bytes of peer) received += bytes.length;
    assert.ok(received % 65_536 > 0, "the last step was taken in part");
    assert.equal(conn.bytesWritten, received);
    assert.equal(listener.totals().bytesWritten, received);
  });
}

test("who is refused is counted as that", async () => {
  await using listener = await listen("tcp", "127.0.0.1:0", { maxConnections: 1 });
  const first = await dialed("tcp", listener);
  const second = await dialed("tcp", listener);
  await second.read().catch(() => null);
  const { accepted, refused, open } = listener.totals();
  assert.deepEqual([accepted, refused, open], [1, 1, 1]);
  first.abort();
});

/** TCP_NODELAY, SO_KEEPALIVE and TCP_KEEPIDLE as the system has them, asked by Python on the same socket. */
async function optionsOf(conn: Conn): Promise<number[]> {
  assert.ok(conn instanceof StreamConn);
  const { socket } = conn.transport as SocketTransport;
  const below: unknown = conn.tls === undefined ? socket : Reflect.get(Object(socket), "_parent");
  assert.ok(below instanceof Socket);
  const program =
    "import socket as s; x=s.socket(fileno=0); print(int(x.getsockopt(s.IPPROTO_TCP,s.TCP_NODELAY)>0), " +
    "int(x.getsockopt(s.SOL_SOCKET,s.SO_KEEPALIVE)>0), x.getsockopt(s.IPPROTO_TCP,s.TCP_KEEPIDLE))";
  const child = spawn("python3", ["-c", program], { stdio: [below, "pipe", "inherit"] });
  let said = "";
  child.stdout?.on("data", (bytes) => (said += String(bytes)));
  await once(child, "close");
  return said.trim().split(" ").map(Number);
}

for (const network of ["tcp", "tls"] as const) {
  const skip = process.platform !== "linux" && "asks Linux";
  test(`${network}: no-delay and keep-alive change on a live connection, on both sides`, {
    skip,
  }, async () => {
    await using listener = await listening(network);
    const client = await dialed(network, listener);
    const server = await listener.accept();
    for (const conn of [client, server]) {
      assert.deepEqual(await optionsOf(conn), [1, 1, 15]);
      conn.setNoDelay(false);
      conn.setKeepAlive(true, 61_999);
      assert.deepEqual(await optionsOf(conn), [0, 1, 61]);
      conn.setNoDelay(true);
      conn.setKeepAlive(false);
      assert.deepEqual((await optionsOf(conn)).slice(0, 2), [1, 0]);
      conn.setKeepAlive(true);
      assert.deepEqual(await optionsOf(conn), [1, 1, 15]);
    }
    client.abort();
    client.setNoDelay(false); // Too late: nothing happens.
    client.setKeepAlive(true);
    client.unref();
    client.ref();
  });
}

test("wrong values are refused, with the value", () => {
  const [conn] = pipe();
  const set = (change: () => void, message: RegExp) =>
    assert.throws(change, { code: "invalid_argument", message });
  set(() => conn.setNoDelay("false" as unknown as boolean), /noDelay is "false", and not a boolean/);
  set(() => conn.setNoDelay(undefined as unknown as boolean), /noDelay is null, and not a boolean/);
  set(() => conn.setKeepAlive(1 as unknown as boolean), /keepAlive is 1, and not a boolean/);
  set(() => conn.setKeepAlive(true, 999), /idleMs 999 is not from 1000 to/);
});

/** Runs a program of this library in a process of its own; the code it ends with, which says how. */
async function run(program: string, ...args: string[]): Promise<string> {
  const head = `
    import { dial, lines, listen, listenPacket, peers } from "@zocalo/net";
    const [, network, address] = process.argv;
  `;
  const flags = ["--conditions=zocalo-source", "--import", "tsx", "--input-type=module"];
  const child = spawn(process.execPath, [...flags, "-e", head + program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  let said = "";
  child.stdout.on("data", (bytes) => (said += String(bytes)));
  await once(child, "close");
  return said.trim();
}

test("a listener that the process does not hold on to holds it for a silent client as long as a handshake may take", async () => {
  const program = `
    const listener = await listen("tls", "127.0.0.1:0", { ...JSON.parse(network), handshakeTimeoutMs: 100 });
    listener.unref();
    (await dial("tcp", String(listener.addr))).unref();
    process.on("exit", () => console.log("exit"));
  `;
  assert.equal(await run(program, JSON.stringify({ cert, key })), "exit");
});

for (const network of ["tcp", "unix"] as const) {
  test(`${network}: a process ends while a connection is open that it does not hold on to, and stays for one it does`, async () => {
    await using listener = await listening(network);
    const program = `
      const conn = await dial(network, address);
      conn.read().then(() => console.log("read"));
      conn.unref();
      if (process.argv[3] === "ref") conn.ref();
      process.on("exit", () => console.log("exit"));
    `;
    const left = run(program, network, String(listener.addr), "free");
    await listener.accept();
    assert.equal(await left, "exit");
    const held = run(program, network, String(listener.addr), "ref");
    const conn = await listener.accept();
    await conn.write(Buffer.from("hola"));
    await conn.closeWrite();
    assert.equal(await held, "read\nexit");
  });
}

test("a process ends while a listener is open that it does not hold on to", async () => {
  const program = `
    const listener = await listen("tcp", "127.0.0.1:0");
    listener.unref();
    process.on("exit", () => console.log("exit"));
  `;
  assert.equal(await run(program), "exit");
});

/** Each waits for something that does not come, on what it has called `held`. */
const holders = {
  "a framed connection": `
    const server = await listen("tcp", "127.0.0.1:0");
    server.unref();
    const held = lines(await dial("tcp", String(server.addr)));
    (await server.accept()).unref();
    held.receive();
  `,
  "a framed listener": `
    const held = lines(await listen("tcp", "127.0.0.1:0"));
    held.accept();
  `,
  "a datagram socket": `
    const held = await listenPacket("udp", "127.0.0.1:0");
    held.receive();
  `,
  "a connected datagram socket": `
    const held = await dial("udp", "127.0.0.1:9");
    held.receive();
  `,
  "a listener of datagram peers that has one": `
    const held = peers(await listenPacket("udp", "127.0.0.1:0"), { idleTimeoutMs: 100_000_000 });
    const client = await dial("udp", String(held.addr));
    await client.send(Buffer.from("hola"));
    const peer = await held.accept();
    await peer.receive();
    peer.receive();
    await client.close();
  `,
};

for (const [what, program] of Object.entries(holders)) {
  test(`${what}: the process ends although it is open where it is not held on to, and stays where it is`, async () => {
    const exits = `process.on("exit", () => console.log("exit"));\n`;
    assert.equal(await run(`${exits}${program}; held.unref();`), "exit");
    // What is scheduled here holds no process: that it is called at all is what is held.
    const later = `setTimeout(() => { console.log("held"); process.exit(); }, 50).unref();`;
    assert.equal(await run(`${exits}${program}; held.unref(); held.ref(); ${later}`), "held\nexit");
  });
}
