// An end of TLS (close_notify, RFC 8446 §6.1) is an end; an end of the connection below alone is a
// truncation.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { after, test, type TestContext } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { Worker } from "node:worker_threads";
import {
  type Conn,
  dial,
  type IpAddr,
  lines,
  listen,
  type NetError,
  type StreamListener,
  toNodeStream,
} from "@zocalo/net";
import { atEndOfTurn } from "@zocalo/net/transport";
import { TestCertificates } from "@zocalo/integrity";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { ca } = certificates;
const local = certificates.issue("local", ["localhost", "127.0.0.1"]);

/** A peer of node:tls whose TCP connection can be ended under it. */
interface CuttablePeer {
  readonly tls: TLSSocket;
  readonly below: Socket;
  readonly conn: Conn;
}

async function meet(
  listener: StreamListener<IpAddr>,
  maxVersion: "TLSv1.2" | "TLSv1.3",
): Promise<CuttablePeer> {
  const { port } = listener.addr;
  const below = connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true });
  const tls = connect({ socket: below, host: "127.0.0.1", ca: ca.cert, maxVersion });
  tls.on("error", () => undefined);
  const [conn] = await Promise.all([listener.accept(), once(tls, "secureConnect")]);
  return { tls, below, conn };
}

async function open(t: TestContext, options = {}): Promise<StreamListener<IpAddr>> {
  const listener = await listen("tls", "127.0.0.1:0", { ...local, ...options });
  t.after(() => listener.abort());
  return listener;
}

/** Reads to the end: how much came, and what the end was. */
async function drained(conn: Conn): Promise<{ bytes: number; end: string }> {
  let bytes = 0;
  try {
    for await (const portion of conn) bytes += portion.length;
    return { bytes, end: "end" };
  } catch (error) {
    return { bytes, end: (error as NetError).code };
  }
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  for (const size of [0, 10, 300_000]) {
    test(`${version}: ${size} bytes with close_notify are an end, without one a truncation`, async (t) => {
      const listener = await open(t);
      const honest = await meet(listener, version);
      honest.tls.end(Buffer.alloc(size));
      assert.deepEqual(await drained(honest.conn), { bytes: size, end: "end" });
      await honest.conn.close();

      const cut = await meet(listener, version);
      cut.tls.write(Buffer.alloc(size), () => cut.below.end());
      assert.deepEqual(await drained(cut.conn), { bytes: size, end: "truncated" });
      await assert.rejects(cut.conn.read(), {
        code: "truncated",
        message: /without the close_notify of TLS/,
      });
      cut.tls.destroy();
    });

    test(`${version}: nor does it matter that nobody reads ${size} bytes for a while`, async (t) => {
      const listener = await open(t);
      const honest = await meet(listener, version);
      const cut = await meet(listener, version);
      honest.tls.end(Buffer.alloc(size));
      cut.tls.write(Buffer.alloc(size), () => cut.below.end());
      // By the time that a third has come and gone so have these.
      const third = await meet(listener, version);
      third.tls.end("x");
      assert.deepEqual(await drained(third.conn), { bytes: 1, end: "end" });
      assert.deepEqual(await drained(honest.conn), { bytes: size, end: "end" });
      assert.deepEqual(await drained(cut.conn), { bytes: size, end: "truncated" });
      honest.conn.abort();
      cut.tls.destroy();
    });
  }

  test(`${version}: a slow reader that is paused in the middle is told the right end`, async (t) => {
    const listener = await open(t);
    for (const isCut of [false, true]) {
      const { tls, below, conn } = await meet(listener, version);
      const size = 1_000_000;
      if (isCut) tls.write(Buffer.alloc(size), () => below.end());
      else tls.end(Buffer.alloc(size));
      let bytes = 0;
      const end = new Promise<string>((resolve) => {
        conn.serve({
          async data(portion) {
            bytes += portion.length;
            await new Promise(setImmediate);
          },
          end: () => resolve("end"),
          close: (error) => resolve((error as NetError | undefined)?.code ?? "closed"),
        });
      });
      assert.deepEqual([await end, bytes], [isCut ? "truncated" : "end", size]);
      conn.abort();
      tls.destroy();
    }
  });
}

test("who accepts truncation sees an ordinary end, on both sides", async (t) => {
  const listener = await open(t, { dangerouslyAcceptTruncation: true });
  const { tls, below, conn } = await meet(listener, "TLSv1.3");
  tls.write("hola", () => below.end());
  assert.deepEqual(await drained(conn), { bytes: 4, end: "end" });
  await conn.close();
  tls.destroy();
});

/**
 * A server of python's ssl that says hola and closes, which sends no close_notify, or unwraps first, which
 * does.
 */
const PYTHON = `
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
for how in sys.argv[3].split(","):
    plain, _ = server.accept()
    secured = context.wrap_socket(plain, server_side=True)
    secured.sendall(b"hola")
    if how == "unwrap":
        plain = secured.unwrap()
        plain.close()
    else:
        secured.close()
`;

test("python: a closed socket is a truncation unless it is accepted, an unwrapped one an end", async () => {
  const child = spawn("python3", ["-c", PYTHON, local.certFile, local.keyFile, "close,close,unwrap"]);
  const address = `127.0.0.1:${String(await once(child.stdout, "data")).trim()}`;
  const ends: unknown[] = [];
  for (const dangerouslyAcceptTruncation of [false, true, false]) {
    const conn = await dial("tls", address, { ca: ca.cert, dangerouslyAcceptTruncation });
    ends.push(await drained(conn));
    await conn.close();
  }
  assert.deepEqual(ends, [
    { bytes: 4, end: "truncated" },
    { bytes: 4, end: "end" },
    { bytes: 4, end: "end" },
  ]);
  await once(child, "close");
});

test("openssl: s_client that ends its input sends close_notify; killed, it is a truncation or a reset", async (t) => {
  const listener = await open(t);
  const args = ["s_client", "-quiet", "-no_ign_eof", "-connect", String(listener.addr)];
  const honest = spawn("openssl", args, { stdio: ["pipe", "ignore", "ignore"] });
  const first = await listener.accept();
  honest.stdin.end("hola\n");
  assert.deepEqual(await drained(first), { bytes: 5, end: "end" });
  await first.close();
  const killed = spawn("openssl", args, { stdio: ["pipe", "ignore", "ignore"] });
  const second = await listener.accept();
  killed.stdin.write("hola\n");
  assert.equal(String(await second.readFull(5)), "hola\n");
  killed.kill("SIGKILL");
  const { end } = await drained(second);
  assert.ok(["truncated", "reset"].includes(end), end);
});

/** Says `hi`, waits for an answer, cuts the connection, and wakes whoever waits at `cut[0]`. */
const HASTY_PEER = `
const { workerData: { port, ca, cut } } = require("node:worker_threads");
const below = require("node:net").connect(port, "127.0.0.1");
const tls = require("node:tls").connect({ socket: below, host: "127.0.0.1", ca });
tls.on("error", () => undefined).write("hi");
below.once("finish", () => {
  Atomics.store(cut, 0, 1);
  Atomics.notify(cut, 0);
});
tls.once("data", () => below.end());
`;

for (const [how, answer] of [
  ["a write", async (conn: Conn) => conn.write(Buffer.from("bye"))],
  [
    "a write and a close",
    async (conn: Conn) => {
      await conn.write(Buffer.from("bye"));
      await conn.close();
    },
  ],
  [
    "a write and the end of writing",
    async (conn: Conn) => {
      const reading = drained(conn);
      await conn.write(Buffer.from("bye"));
      await conn.closeWrite();
      assert.deepEqual(await reading, { bytes: 0, end: "truncated" });
    },
  ],
  [
    "a line and a close",
    async (conn: Conn) => {
      const framed = lines(conn);
      void framed.send("bye");
      await framed.flush();
      await framed.close();
    },
  ],
] as const) {
  test(`${how}: what was taken counts as such, though the peer cuts before Node says so`, async (t) => {
    const listener = await open(t);
    const cut = new Int32Array(new SharedArrayBuffer(4));
    const { port } = listener.addr;
    const peer = new Worker(HASTY_PEER, { eval: true, workerData: { port, ca: ca.cert, cut } });
    t.after(() => peer.terminate());
    const conn = await listener.accept();
    assert.equal(String(await conn.read()), "hi");
    // Of what is written here Node tells in the next turn, behind what has come by then.
    await new Promise((resolve) => setImmediate(resolve));
    const answering = answer(conn);
    if (how.startsWith("a line")) atEndOfTurn({ flush: () => void Atomics.wait(cut, 0, 0) });
    else Atomics.wait(cut, 0, 0);
    await answering;
    await conn.close();
  });
}

test("this side's own close and closeWrite are ends to the other, an abort is none", async (t) => {
  const listener = await open(t);
  for (const how of ["close", "closeWrite"] as const) {
    const [client, server] = await Promise.all([
      dial("tls", String(listener.addr), { ca: ca.cert }),
      listener.accept(),
    ]);
    await client.write(Buffer.from("hola"));
    await client[how]();
    assert.deepEqual(await drained(server), { bytes: 4, end: "end" });
    await server.close();
    client.abort();
  }
});

/** What a connection does that has its word and leaves. */
const leaving: Record<string, (conn: Conn, bytes: Uint8Array) => Promise<unknown>> = {
  // What has not left by then may be refused.
  "a write and a close": (conn, bytes) => Promise.allSettled([conn.write(bytes), conn.close()]),
  "a write awaited, and a close": (conn, bytes) => conn.write(bytes).then(() => conn.close()),
  "a write and the end of writing": (conn, bytes) => Promise.all([conn.write(bytes), conn.closeWrite()]),
  "several writes and the end of writing": (conn, bytes) =>
    Promise.all([conn.write(bytes), conn.writev([bytes, bytes]), conn.closeWrite()]),
  "a stream of Node's": (conn, bytes) => once(toNodeStream(conn).end(bytes), "finish"),
  "a close alone": (conn) => conn.close(),
};

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  for (const [name, leave] of Object.entries(leaving)) {
    test(`${version}: who has just come and leaves with ${name} says that it is the end`, async (t) => {
      const listener = await open(t);
      for (const size of [1, 100_000]) {
        for (const isServer of [true, false]) {
          const dialing = dial("tls", String(listener.addr), { ca: ca.cert, maxVersion: version });
          // In the turn in which the handshake is over: a server may still be writing its end.
          const first = isServer ? listener.accept() : dialing;
          const left = first.then((conn) => leave(conn, new Uint8Array(size)));
          const other = await (isServer ? dialing : listener.accept());
          assert.equal((await drained(other)).end, "end", `${size} bytes, server ${isServer}`);
          await left;
          await Promise.all([other.close(), first.then((conn) => conn.close())]);
        }
      }
    });
  }
}
