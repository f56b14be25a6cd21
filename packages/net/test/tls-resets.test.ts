// Peers that reset a connection of TLS while this side is busy, so that TLS's own writing meets the reset.
import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { TestCertificates } from "@zocalo/integrity";
import { type Conn, type IpAddr, listen, NetError, type StreamListener } from "@zocalo/net";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { ca } = certificates;
const main = certificates.issue("main", ["localhost"]);
const CLIENTS = 10;

/** Each ends its handshake, says something and resets before a busy server has read of it. */
const clients = `
  const { workerData: { port, ca, clients } } = require("node:worker_threads");
  const { connect } = require("node:net");
  const tls = require("node:tls");
  for (let i = 0; i < clients; i++) {
    const below = connect(port, "127.0.0.1", () => {
      const socket = tls.connect({ socket: below, ca, servername: "localhost" }, () => {
        socket.write(Buffer.alloc(1000, "x"), () => below.resetAndDestroy());
      });
      socket.on("error", () => undefined);
    });
  }
`;

/** The loop stands still for 40 ms of each 41. */
function busy(t: TestContext): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const timer = setInterval(() => Atomics.wait(never, 0, 0, 40), 1);
  t.after(() => clearInterval(timer));
}

async function visited(t: TestContext): Promise<StreamListener<IpAddr>> {
  const listener = await listen("tls", "127.0.0.1:0", { ...main });
  t.after(() => listener.abort());
  busy(t);
  const worker = new Worker(clients, {
    eval: true,
    workerData: { port: listener.addr.port, ca: ca.cert, clients: CLIENTS },
  });
  t.after(() => worker.terminate());
  return listener;
}

/** What came of writing to each, and how each was told to end. */
async function outcomes(
  listener: StreamListener<IpAddr>,
  serve: (conn: Conn<IpAddr>) => Promise<string>,
): Promise<string[]> {
  const found: Promise<string>[] = [];
  for await (const conn of listener) {
    found.push(serve(conn));
    const { accepted, refused } = listener.totals();
    if (accepted + refused === CLIENTS && found.length === accepted) break;
  }
  return Promise.all(found);
}

test("a write to a TLS client that has reset behind its handshake fails, and its connection closes", async (t) => {
  const listener = await visited(t);
  const told = await outcomes(listener, (conn) => {
    return new Promise((resolve) => {
      let written = "nothing";
      conn.serve({
        data: (bytes) =>
          conn.write(bytes).then(
            () => void (written = "taken"),
            (error: unknown) => {
              written = error instanceof NetError ? error.code : "another error";
              throw error;
            },
          ),
        close: () => resolve(written),
      });
    });
  });
  assert.equal(told.length, CLIENTS);
  assert.ok(told.includes("reset"), String(told));
  assert.equal(listener.totals().open, 0);
});

test("who writes first to such a client learns of it too, and reads what it said", async (t) => {
  const listener = await visited(t);
  const told = await outcomes(listener, async (conn) => {
    const writing = conn.write(Buffer.from("hello")).then(
      () => "taken",
      (error: unknown) => (error instanceof NetError ? error.code : "another error"),
    );
    const read: Uint8Array[] = [];
    try {
      for await (const bytes of conn) read.push(Buffer.from(bytes));
    } catch {
      // It was reset.
    }
    assert.equal(Buffer.concat(read).toString(), "x".repeat(1000));
    const written = await writing;
    await conn.close().catch(() => undefined);
    return written;
  });
  assert.ok(told.includes("reset"), String(told));
  assert.equal(listener.totals().open, 0);
});
