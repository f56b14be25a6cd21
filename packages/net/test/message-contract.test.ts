// What every MessageConn promises, tried on each that is made here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  type Conn,
  dial,
  lengthPrefixed,
  lines,
  listen,
  listenPacket,
  type Message,
  type MessageConn,
  NetError,
  peers,
  pipe,
  PreparedMessage,
} from "@zocalo/net";

/** A connection under test, and how the other side speaks with it. */
interface Pair {
  readonly conn: MessageConn;
  /** The peer sends a message; resolves once it is on its way. */
  say(this: void, text: string): Promise<void>;
  /** The next message the peer receives. */
  hear(this: void): Promise<string>;
  /** Ends everything that is left. */
  end(this: void): Promise<void>;
}

function framedPair(conn: MessageConn, peer: MessageConn, end: () => Promise<void>): Pair {
  return {
    conn,
    say: (text) => peer.send(text),
    hear: async () => String(await peer.receive()),
    async end() {
      conn.abort();
      peer.abort();
      await end();
    },
  };
}

const transports: Record<string, () => Promise<Pair>> = {
  async "lines over tcp"() {
    const listener = await listen("tcp", "127.0.0.1:0");
    const [server, client] = await Promise.all([listener.accept(), dial("tcp", String(listener.addr))]);
    return framedPair(lines(server), lines(client), () => listener.close());
  },
  "u16 over a pipe"() {
    const [server, client] = pipe();
    const frame = (conn: Conn) => lengthPrefixed(conn, "u16", { messages: "text" });
    return Promise.resolve(framedPair(frame(server), frame(client), () => Promise.resolve()));
  },
  async "peers over udp"() {
    const listener = peers(await listenPacket("udp", "127.0.0.1:0"));
    const client = await dial("udp", String(listener.addr));
    // Somebody must speak first, or there is no peer; the greeting is not part of the test.
    await client.send(Buffer.from("greeting"));
    const conn = await listener.accept();
    assert.equal(await conn.receive(), "greeting");
    return {
      conn,
      say: (text) => client.send(Buffer.from(text)),
      hear: async () => Buffer.from(await client.receive()).toString(),
      async end() {
        await client.close();
        await listener.abort();
      },
    };
  },
};

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;

for (const [name, open] of Object.entries(transports)) {
  test(`${name}: messages arrive in order, with receive and with iteration`, async () => {
    const { conn, say, end } = await open();
    for (const text of ["1", "dos", "", "señal 4"]) await say(text);
    assert.equal(await conn.receive(), "1");
    const seen: Message[] = [];
    for await (const message of conn) if (seen.push(message) === 2) break;
    assert.deepEqual(seen, ["dos", ""]);
    assert.equal(await conn.receive(), "señal 4", "leaving the loop closed nothing");
    await end();
  });

  test(`${name}: simultaneous receives are served in call order, a canceled one takes nothing`, async () => {
    const { conn, say, end } = await open();
    const controller = new AbortController();
    const canceled = conn.receive({ signal: controller.signal });
    const first = conn.receive();
    const second = conn.receive();
    controller.abort();
    await assert.rejects(canceled, isCode("canceled"));
    await say("1");
    await say("2");
    assert.deepEqual(await Promise.all([first, second]), ["1", "2"]);
    await end();
  });

  test(`${name}: what is sent arrives, plain and prepared`, async () => {
    const { conn, hear, end } = await open();
    await conn.send("plain");
    assert.equal(conn.trySend("tried"), "sent");
    const prepared = new PreparedMessage("prepared");
    await conn.send(prepared);
    assert.equal(conn.trySend(prepared), "sent");
    const heard: string[] = [];
    while (heard.length < 4) heard.push(await hear());
    assert.deepEqual(heard, ["plain", "tried", "prepared", "prepared"]);
    assert.equal(conn.bufferedAmount, 0);
    await end();
  });

  for (const size of [1, 300, 20_000, 60_000]) {
    test(`${name}: the caller may write over a message of ${size} bytes once its call is over`, async () => {
      const { conn, hear, end } = await open();
      const memory = Buffer.alloc(size);
      assert.notEqual(conn.trySend(memory.fill("a")), "refused");
      memory.fill("!");
      await conn.send(memory.fill("b"));
      memory.fill("!");
      await conn.send(memory.fill("c"), { signal: new AbortController().signal });
      memory.fill("!");
      await conn.flush();
      for (const letter of "abc") assert.equal(await hear(), letter.repeat(size));
      await end();
    });
  }

  test(`${name}: flush resolves once nothing waits, at once if nothing did`, async () => {
    const { conn, hear, end } = await open();
    await conn.flush();
    void conn.send("1");
    conn.trySend("2");
    await conn.flush();
    assert.equal(conn.bufferedAmount, 0);
    assert.equal(await hear(), "1");
    assert.equal(await hear(), "2");
    await conn.flush({ signal: AbortSignal.abort() }); // There is nothing to wait for.
    await end();
  });

  test(`${name}: close resolves once all that was sent has left`, async () => {
    const { conn, hear, end } = await open();
    for (const text of ["1", "2", "3"]) conn.trySend(text);
    await conn.close();
    assert.equal(conn.bufferedAmount, 0);
    for (const text of ["1", "2", "3"]) assert.equal(await hear(), text);
    await conn.flush();
    await end();
  });

  test(`${name}: calls that nobody waits for end no process when they fail`, async () => {
    const { conn, end } = await open();
    void conn.send("x".repeat(conn.maxSendBytes + 1));
    void conn.send("canceled", { signal: AbortSignal.abort() });
    void conn.send("dropped");
    void conn.flush();
    conn.abort();
    void conn.send("late");
    void conn.flush();
    void conn.close();
    await turn();
    await turn(); // An unhandled rejection would have failed this test.
    await end();
  });

  test(`${name}: a message at maxSendBytes is taken, one past it is not`, async () => {
    const { conn, end } = await open();
    await assert.rejects(conn.send("x".repeat(conn.maxSendBytes + 1)), isCode("too_large"));
    assert.equal(conn.trySend("x".repeat(conn.maxSendBytes + 1)), "refused");
    assert.notEqual(conn.trySend("x".repeat(conn.maxSendBytes)), "refused");
    await end();
  });

  test(`${name}: after close nothing is sent, and a receiver that waits gets null`, async () => {
    const { conn, end } = await open();
    const receiving = conn.receive();
    await conn.close(1001, "going away");
    assert.equal(await receiving, null);
    assert.equal(conn.trySend("late"), "refused");
    await assert.rejects(conn.send("late"), isCode("closed"));
    await conn.close();
    await end();
  });

  test(`${name}: abort makes receiving throw`, async () => {
    const { conn, end } = await open();
    const receiving = conn.receive();
    conn.abort();
    await assert.rejects(receiving, isCode("closed"));
    conn.abort();
    await conn.close();
    await end();
  });

  test(`${name}: a handler gets messages one by one, and close exactly once, last`, async () => {
    const { conn, say, end } = await open();
    await say("before");
    const log: string[] = [];
    let told: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (told = resolve));
    conn.serve({
      async message(message) {
        log.push(`+${String(message)}`);
        await turn();
        log.push(`-${String(message)}`);
        if (message === "last") await conn.close(1000, "enough");
      },
      close({ code, reason, wasClean }) {
        log.push(`${code} ${reason} ${wasClean}`);
        told();
      },
    });
    await say("last");
    await closed;
    await turn();
    assert.deepEqual(log, ["+before", "-before", "+last", "-last", "1000 enough true"]);
    await end();
  });

  test(`${name}: a connection is received from or served, not both`, async () => {
    const { conn, end } = await open();
    conn.serve({ message() {} });
    assert.throws(() => conn.serve({ message() {} }), isCode("invalid_argument"));
    await assert.rejects(conn.receive(), isCode("invalid_argument"));
    await end();
  });

  test(`${name}: the peer is known`, async () => {
    const { conn, end } = await open();
    assert.ok(name.includes(conn.peer.transport));
    assert.equal(conn.peer.addr.network, conn.peer.transport);
    assert.equal(conn.localAddr.network, conn.peer.transport);
    assert.equal(conn.peer.verification, undefined);
    await end();
  });
}
