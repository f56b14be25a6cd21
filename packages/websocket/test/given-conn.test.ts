// A `conn` that `dial` is given: which one is taken, and what it keeps.
import assert from "node:assert/strict";
import { createServer } from "node:https";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Conn, dial as dialNet, type IpAddr, listen as listenNet, pipe } from "@zocalo/net";
import { dial, type DialOptions, WebSocketNetError } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { connectProxy } from "./connect-proxy.ts";
import { accepting, ANY_PORT, rawServer } from "./peers.ts";

const identity = selfSigned("DNS:localhost,IP:127.0.0.1");
const { cert, key } = identity;
const tls = { ca: cert };

for (const scheme of ["ws", "wss"] as const) {
  test(`${scheme}: over a conn has the addresses of that conn`, async () => {
    await using server = await accepting(scheme === "wss" ? { tls: { cert, key } } : {});
    const below = await dialNet("tcp", `127.0.0.1:${server.port}`);
    const ends = [String(below.localAddr), String(below.remoteAddr)];
    const [conn, other] = await Promise.all([
      dial(`${scheme}://localhost`, { conn: below, tls }),
      server.listener.accept(),
    ]);
    assert.deepEqual([String(conn.localAddr), String(conn.peer.addr)], ends);
    assert.deepEqual([String(other.peer.addr), String(other.localAddr)], ends);
    await conn.close();
    assert.deepEqual([String(conn.localAddr), String(conn.peer.addr)], ends);
  });
}

test("wss: through an https: proxy has the addresses of the connection to the proxy", async () => {
  await using proxy = await connectProxy(undefined, createServer(identity));
  await using server = await accepting({ tls: { cert, key } });
  const conn = await dial(`wss://127.0.0.1:${server.port}`, {
    proxy: `https://127.0.0.1:${proxy.port}`,
    proxyTls: tls,
    tls,
  });
  assert.equal(String(conn.peer.addr), `127.0.0.1:${proxy.port}`);
  assert.match(String(conn.localAddr), /^127\.0\.0\.1:\d+$/);
  conn.abort();
});

/** Both ends of a connection over TCP. */
async function ends(t: TestContext): Promise<readonly [near: Conn<IpAddr>, far: Conn<IpAddr>]> {
  const listener = await listenNet("tcp", ANY_PORT);
  t.after(() => listener.abort());
  const both = await Promise.all([dialNet("tcp", String(listener.addr)), listener.accept()]);
  t.after(() => both[0].abort());
  return both;
}

/** The conn is refused as an argument, before anything is said over it. */
async function refuses(conn: Conn, reason: RegExp, options: DialOptions = {}): Promise<void> {
  const { bytesWritten } = conn;
  for (const url of ["ws://localhost", "wss://localhost"]) {
    await assert.rejects(
      dial(url, { handshakeTimeoutMs: 5_000, conn, tls, ...options }),
      (error) =>
        error instanceof WebSocketNetError &&
        error.code === "invalid_argument" &&
        error.message.startsWith("conn cannot be spoken over: ") &&
        reason.test(error.message),
    );
  }
  await turn();
  assert.equal(conn.bytesWritten, bytesWritten);
}

test("a conn that is being read is refused, and its reader gets what comes", async (t) => {
  const [near, far] = await ends(t);
  const reading = near.read();
  await refuses(near, /it is being read$/);
  await far.write(Buffer.from("hola"));
  assert.equal(String(await reading), "hola");
});

test("a conn that is being served is refused, and its handler gets what comes", async (t) => {
  const [near, far] = await ends(t);
  const served = new Promise<string>((resolve) => near.serve({ data: (bytes) => resolve(String(bytes)) }));
  await refuses(near, /it is being served$/);
  await far.write(Buffer.from("hola"));
  assert.equal(await served, "hola");
});

test("a conn that is being written is refused, and all arrives", async () => {
  const [near, far] = pipe();
  const writing = near.write(Buffer.alloc(1 << 20));
  await refuses(near, /something is still being written$/);
  const reading = far.readFull(1 << 20);
  await writing;
  assert.equal((await reading)?.length, 1 << 20);
  near.abort();
});

test("a conn with unread bytes is refused, and they can still be read", async (t) => {
  const [near, far] = await ends(t);
  await far.write(Buffer.from("220 hola\r\n"));
  assert.equal(String(await near.readFull(4)), "220 ");
  await refuses(near, /6 bytes .*are unread$/);
  assert.equal(String(await near.readFull(6)), "hola\r\n");
});

test("a conn over TLS with bytes that came before anybody read is refused", async (t) => {
  const listener = await listenNet("tls", ANY_PORT, { cert, key });
  t.after(() => listener.abort());
  const [near, far] = await Promise.all([dialNet("tls", String(listener.addr), tls), listener.accept()]);
  t.after(() => near.abort());
  await far.write(Buffer.from("hola, y más"));
  assert.equal(String(await near.readFull(4)), "hola");
  await refuses(near, /8 bytes .*are unread$/);
});

test("a conn that has ended is refused", async (t) => {
  const [near, far] = await ends(t);
  await far.closeWrite();
  assert.equal(await near.read(), null);
  await refuses(near, /the peer has ended its side$/);
  const [half] = await ends(t);
  await half.closeWrite();
  await refuses(half, /use of closed connection$/);
  await near.close();
  await refuses(near, /use of closed connection$/);
});

for (const [scheme, options] of [
  ["ws", {}],
  ["wss", { tls: { cert, key } }],
] as const) {
  test(`a conn that carries a WebSocket is refused, and that one goes on: ${scheme}`, async () => {
    await using server = await accepting(options);
    const conn = await dialNet("tcp", `127.0.0.1:${server.port}`);
    const [first, peer] = await Promise.all([
      dial(`${scheme}://localhost`, { conn, tls }),
      server.listener.accept(),
    ]);
    await refuses(conn, /./);
    // Nor while nothing is asked for: what came fills all that it may hold.
    await peer.send("x".repeat(1 << 19));
    await refuses(conn, /./);
    assert.equal(String(await first.receive()).length, 1 << 19);
    await first.close();
  });
}

test("of two dials over a conn at once one is refused, and the other has it for itself", async () => {
  await using server = await accepting({ tls: { cert, key } });
  const conn = await dialNet("tcp", `127.0.0.1:${server.port}`);
  const dials = [dial("wss://localhost", { conn, tls }), dial("wss://localhost", { conn, tls })];
  const results = await Promise.allSettled(dials);
  const [refused] = results.filter((each) => each.status === "rejected");
  assert.equal((refused?.reason as WebSocketNetError | undefined)?.code, "invalid_argument");
  const [taken] = results.filter((each) => each.status === "fulfilled");
  const accepted = await server.listener.accept();
  await taken?.value.send("hola");
  assert.equal(await accepted.receive(), "hola");
  await taken?.value.close();
});

for (const allowed of [0, 1]) {
  test(`a WebSocket over a conn of somebody else ends where that throws at once, after ${allowed} writes`, async () => {
    await using server = await accepting();
    const conn = await dialNet("tcp", `127.0.0.1:${server.port}`);
    let left = allowed;
    const write =
      (name: "write" | "writev") =>
      (...given: unknown[]): unknown => {
        if (left-- <= 0) throw new Error("no writes any more");
        return Reflect.apply(conn[name], conn, given);
      };
    const own = { write: write("write"), writev: write("writev") };
    const foreign = new Proxy(conn, {
      get(target, name) {
        const value: unknown = Reflect.get(Object.hasOwn(own, name) ? own : target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    const dialing = dial("ws://localhost", { conn: foreign });
    if (allowed === 0) return assert.rejects(dialing, /no writes any more/);
    const client = await dialing;
    await client.send("hola").catch(() => undefined);
    await assert.rejects(client.flush(), WebSocketNetError);
    (await server.listener.accept()).abort(); // What the peer had sent would still be received.
    await assert.rejects(client.receive(), WebSocketNetError);
    return undefined;
  });
}

test("a conn that was refused is taken once it stands still", async () => {
  await using server = await accepting();
  const conn = await dialNet("tcp", `127.0.0.1:${server.port}`);
  const controller = new AbortController();
  const reading = conn.read(controller);
  await refuses(conn, /it is being read$/);
  controller.abort();
  await assert.rejects(reading, { code: "canceled" });
  const [socket] = await Promise.all([dial("ws://localhost", { conn }), server.listener.accept()]);
  await socket.close();
});

test("a conn is taken that the application has spoken over before, when all of that is read", async () => {
  await using server = await accepting();
  await using proxy = await rawServer((head, socket) => {
    assert.match(head, /^CONNECT /);
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.once("data", (request) => {
      assert.match(String(request), /^GET \/chat /);
      socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
    });
  });
  for (const how of ["read", "readFull"] as const) {
    const conn = await dialNet("tcp", `127.0.0.1:${proxy.port}`);
    await conn.write(Buffer.from(`CONNECT localhost:${server.port} HTTP/1.1\r\n\r\n`));
    const answer = how === "read" ? await conn.read() : await conn.readFull(19);
    assert.equal(String(answer), "HTTP/1.1 200 OK\r\n\r\n");
    await assert.rejects(dial("ws://localhost/chat", { conn }), { code: "refused", status: 404 });
  }
});

test("wrong arguments leave a conn as it is", async (t) => {
  const [near, far] = await ends(t);
  await assert.rejects(dial("wss://localhost", { conn: near, tls: { ca: "none" } }), { code: "tls" });
  await near.write(Buffer.from("hola"));
  assert.equal(String(await far.readFull(4)), "hola");
  await far.write(Buffer.from("buenas"));
  assert.equal(String(await near.readFull(6)), "buenas");
});

test("an open wss: over a conn does not hold the process once it is unreferenced", async () => {
  await using server = await accepting({ tls: { cert, key } });
  const conn = await dialNet("tcp", `127.0.0.1:${server.port}`);
  const calls: string[] = [];
  for (const name of ["unref", "ref"] as const) {
    const real = conn[name].bind(conn);
    conn[name] = () => {
      calls.push(name);
      real();
    };
  }
  const socket = await dial("wss://localhost", { conn, tls });
  socket.unref();
  socket.ref();
  assert.deepEqual(calls.slice(-2), ["unref", "ref"]);
  await socket.close();
});

for (const scheme of ["ws", "wss"] as const) {
  test(`abort ends the conn at once, though its peer takes nothing: ${scheme}`, async () => {
    await using server = await accepting(scheme === "wss" ? { tls: { cert, key } } : {});
    const onward = await dialNet("tcp", `127.0.0.1:${server.port}`);
    const [near, far] = pipe();
    // Carries all there is until the WebSocket is open, and nothing afterwards.
    const stop = new AbortController();
    const carry = async (from: Conn, to: Conn): Promise<void> => {
      for (let bytes = await from.read(stop); bytes !== null; bytes = await from.read(stop)) {
        await to.write(bytes);
      }
    };
    const carrying = Promise.allSettled([carry(far, onward), carry(onward, far)]);
    const socket = await dial(`${scheme}://localhost`, { conn: near, tls });
    stop.abort();
    await carrying;
    const sending = socket.send(new Uint8Array(1 << 19));
    socket.abort();
    await assert.rejects(async () => {
      await sending;
      await socket.flush();
    });
    await assert.rejects(far.readFull(1 << 20), { code: "reset" });
    onward.abort();
  });
}

/** A conn of somebody else's, whose `close` waits for ever unless it is aborted, or even then. */
function slowToClose(conn: Conn, endsOnAbort: boolean): Conn {
  let aborted: () => void = () => undefined;
  const closing = new Promise<void>((resolve) => (aborted = resolve));
  return new Proxy(conn, {
    get(target, name) {
      if (name === "close") return () => closing;
      if (name === "abort")
        return () => {
          target.abort();
          if (endsOnAbort) aborted();
        };
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

for (const scheme of ["ws", "wss"] as const) {
  for (const endsOnAbort of [true, false]) {
    const until = endsOnAbort ? "until it is aborted" : "for ever";
    test(`${scheme}: a conn whose close waits ${until} holds up no end: not that of close, nor of abort`, async () => {
      await using server = await accepting(scheme === "wss" ? { tls: { cert, key } } : {});
      for (const how of ["close", "abort", "close, then abort"] as const) {
        const below = await dialNet("tcp", `127.0.0.1:${server.port}`);
        const conn = slowToClose(below, endsOnAbort);
        const closeTimeoutMs = how === "close" ? 100 : 1_000_000;
        const dialing = dial(`${scheme}://localhost`, { conn, tls, closeTimeoutMs });
        const [client, other] = await Promise.all([dialing, server.listener.accept()]);
        other.serve({ message: () => undefined });
        const ended = client.receive().catch(() => null);
        const closed = how === "abort" ? undefined : client.close();
        await turn();
        if (how !== "close") client.abort();
        await closed?.catch(() => undefined);
        assert.equal(await ended, null);
        below.abort();
      }
    });
  }
}
