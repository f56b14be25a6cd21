// What a peer says and does while `authorize` takes its time.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as net from "@zocalo/net";
import { attach, listen } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

const identity = selfSigned("IP:127.0.0.1");

/** A listener of a network, and a way to it. */
interface Network {
  readonly below: net.Listener<net.Conn>;
  readonly connect: () => Promise<net.Conn>;
}

const networks: readonly (readonly [name: string, listen: (t: TestContext) => Promise<Network>])[] = [
  [
    "TCP",
    async () => {
      const below = await net.listen("tcp", ANY_PORT);
      return { below, connect: () => net.dial("tcp", String(below.addr)) };
    },
  ],
  [
    "TLS",
    async () => {
      const below = await net.listen("tls", ANY_PORT, identity);
      return { below, connect: () => net.dial("tls", String(below.addr), { ca: identity.cert }) };
    },
  ],
  [
    "a Unix socket",
    async (t) => {
      const directory = mkdtempSync(join(tmpdir(), "zocalo-ws-"));
      t.after(() => rmSync(directory, { recursive: true }));
      const path = join(directory, "ws.sock");
      return { below: await net.listen("unix", path), connect: () => net.dial("unix", path) };
    },
  ],
  [
    "TCP behind a PROXY header",
    async () => {
      const below = await net.listen("tcp", ANY_PORT, { proxyProtocol: { trusted: ["127.0.0.1"] } });
      return {
        below,
        async connect() {
          const conn = await net.dial("tcp", String(below.addr));
          await conn.write(Buffer.from("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"));
          return conn;
        },
      };
    },
  ],
  [
    "memory",
    async () => {
      const below = net.listenPipe();
      return { below, connect: () => below.dial() };
    },
  ],
];

for (const [name, network] of networks) {
  test(`what comes over ${name} while authorize takes its time is received, then the end`, async (t) => {
    let letIn: () => void = () => undefined;
    let asked: () => void = () => undefined;
    const asking = new Promise<void>((resolve) => (asked = resolve));
    const { below, connect } = await network(t);
    const closed: string[] = [];
    await using listener = await listen(below, {
      authorize: ({ socket }) =>
        new Promise<void>((resolve) => {
          socket.once("close", () => closed.push("told"));
          letIn = resolve;
          asked();
        }),
    });
    const accepting = listener.accept();
    const conn = await connect();
    await conn.write(Buffer.from(upgradeRequest()));
    await asking;
    await conn.write(frameFrom("client", 0x81, "one"));
    await conn.write(frameFrom("client", 0x82, new Uint8Array(40_000).fill(2)));
    await conn.write(frameFrom("client", 0x88, Buffer.from([3, 232])));
    await conn.closeWrite();
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    letIn();
    const server = await accepting;
    const messages: net.Message[] = [];
    const { code } = await new Promise<net.CloseInfo>((close) => {
      server.serve({ message: (message) => void messages.push(message), close });
    });
    assert.equal(code, 1000);
    assert.deepEqual(messages, ["one", new Uint8Array(40_000).fill(2)]);
    for await (const _ of conn); // To the end.
    while (closed.length === 0) await new Promise((resolve) => setImmediate(resolve));
  });
}

for (const [name, network] of networks) {
  if (name === "a Unix socket") continue; // Nothing resets one.
  test(`a peer that resets over ${name} while authorize takes its time never becomes a connection`, async (t) => {
    let letIn: () => void = () => undefined;
    let asked: () => void = () => undefined;
    let closed: () => void = () => undefined;
    const asking = new Promise<void>((resolve) => (asked = resolve));
    const closing = new Promise<void>((resolve) => (closed = resolve));
    let told: (reason: string) => void = () => undefined;
    const refused = new Promise<string>((resolve) => (told = resolve));
    const { below, connect } = await network(t);
    await using listener = await listen(below, {
      authorize: ({ socket }) =>
        new Promise<void>((resolve) => {
          socket.once("close", closed).once("error", () => undefined);
          letIn = resolve;
          asked();
        }),
      onRefuse: ({ reason }) => told(reason),
    });
    const accepted = listener.accept().then(
      () => "accepted",
      () => "closed",
    );
    const conn = await connect();
    await conn.write(Buffer.from(upgradeRequest()));
    await asking;
    await conn.write(frameFrom("client", 0x81, "one"));
    conn.abort();
    await closing;
    letIn();
    assert.equal(await Promise.race([accepted, refused]), "gone");
  });
}

for (const [name, network] of networks) {
  for (const readUpgrades of ["here", "node:http"] as const) {
    test(`abort cuts a peer over ${name} that waits for authorize, read ${readUpgrades}, and gives its place back`, async (t) => {
      let asked: () => void = () => undefined;
      const asking = new Promise<void>((resolve) => (asked = resolve));
      let told: (reason: string) => void = () => undefined;
      const refused = new Promise<string>((resolve) => (told = resolve));
      const { below, connect } = await network(t);
      const listener = await listen(below, {
        readUpgrades,
        authorize: () => {
          asked();
          return new Promise<void>(() => undefined);
        },
        onRefuse: ({ reason }) => told(reason),
      });
      const conn = await connect();
      await conn.write(Buffer.from(upgradeRequest()));
      await asking;
      await listener.abort();
      assert.equal(await conn.read().catch(() => null), null);
      assert.equal(await refused, "gone");
      conn.abort();
      const { totals } = below as Partial<net.StreamListener>;
      while (totals && totals.call(below).open > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  }
}

test("abort cuts who waits for authorize at a server of somebody else", async (t) => {
  let asked: () => void = () => undefined;
  const asking = new Promise<void>((resolve) => (asked = resolve));
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const listener = attach(server, {
    authorize: () => {
      asked();
      return new Promise<void>(() => undefined);
    },
  });
  const conn = await net.dial("tcp", String(listener.addr));
  await conn.write(Buffer.from(upgradeRequest()));
  await asking;
  await listener.abort();
  assert.equal(await conn.read().catch(() => null), null);
  conn.abort();
});

test("a peer that resets behind more than is read ahead is let in, and its connection ends with 1006", async () => {
  let letIn: () => void = () => undefined;
  let asked: () => void = () => undefined;
  const asking = new Promise<void>((resolve) => (asked = resolve));
  const below = await net.listen("tcp", ANY_PORT);
  let bytesRead: () => number = () => 0;
  await using listener = await listen(below, {
    authorize: ({ socket }) =>
      new Promise<void>((resolve) => {
        bytesRead = () => socket.bytesRead;
        letIn = resolve;
        asked();
      }),
  });
  const accepting = listener.accept();
  const conn = await net.dial("tcp", String(below.addr));
  await conn.write(Buffer.from(upgradeRequest()));
  await asking;
  await conn.write(frameFrom("client", 0x82, new Uint8Array(40_000)));
  while (bytesRead() < 16_384) await new Promise((resolve) => setImmediate(resolve));
  conn.abort();
  letIn();
  const { code, wasClean } = await new Promise<net.CloseInfo>((close) => {
    void accepting.then((accepted) => accepted.serve({ message: () => undefined, close }));
  });
  assert.deepEqual([code, wasClean], [1006, false]);
});
