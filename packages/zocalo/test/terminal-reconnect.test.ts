// `dial --reconnect`, `dial --keep` and `listen --keep`: what of the input becomes of a connection that
// breaks.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { type CloseInfo, type Conn, type NetError, pipe } from "@zocalo/net";
import { WebSocketServer } from "ws";
import { Input } from "../src/terminal/input.ts";
import { Output } from "../src/terminal/output.ts";
import type { MessageLink } from "../src/terminal/link.ts";
import { pumpBytes, pumpMessages } from "../src/terminal/pump.ts";
import { shapeFor } from "../src/terminal/shape.ts";
import { noise, readAll, tcpServer, Terminal, upgradeAnswer } from "./terminal-process.ts";

/** More than the systems of both ends hold. */
const MUCH = 12_000_000;

/** Reads up to the beginning of what is sent, and resets. */
async function resetsInAMessage(): Promise<{ port: number } & Disposable> {
  const first = await tcpServer((socket: Socket) => {
    socket.once("data", (head: Buffer) => {
      socket.write(`${upgradeAnswer(head)}\r\n`);
      socket.once("data", () => {
        socket.resetAndDestroy();
        first.server.close();
      });
    });
  });
  return first;
}

test("dial --reconnect: a message that was cut off by a reset goes to the next server, whole, and before those behind it", async () => {
  using first = await resetsInAMessage();
  await using terminal = new Terminal(`dial ws://127.0.0.1:${first.port} --reconnect -v`);
  const line = "x".repeat(MUCH);
  terminal.child.stdin.end(`${line}\nend\n`);
  const [kept] = await terminal.says(/\{"event":"kept".*\}/);
  assert.deepEqual(JSON.parse(kept), { event: "kept", bytes: MUCH });
  const second = new WebSocketServer({ port: first.port, host: "127.0.0.1" });
  const messages: string[] = [];
  second.on("connection", (socket) => socket.on("message", (bytes: Buffer) => messages.push(String(bytes))));
  const { code } = await terminal.end();
  second.close();
  assert.equal(code, 0);
  assert.deepEqual(
    messages.map((message) => message.length),
    [MUCH, 3],
  );
  assert.ok(messages[0] === line && messages[1] === "end");
});

test("dial --reconnect: a message for which the peer closes is told lost, and the next one goes on", async () => {
  let connections = 0;
  const messages: Buffer[] = [];
  using server = await tcpServer((socket) => {
    connections += 1;
    const isFirst = connections === 1;
    socket.once("data", (head: Buffer) => {
      socket.write(`${upgradeAnswer(head)}\r\n`);
      if (!isFirst) return void socket.on("data", (bytes: Buffer) => messages.push(bytes));
      // It has read how long the message is, and takes no more of it.
      socket.once("data", () => {
        socket.pause();
        socket.end(Buffer.from([0x88, 2, 0x03, 0xf1]));
      });
    });
  });
  await using terminal = new Terminal(`dial ws://127.0.0.1:${server.port} --reconnect -v`);
  terminal.child.stdin.end(`${"x".repeat(MUCH)}\nend\n`);
  const lost = "12000000 bytes of the input are lost: the peer ended the connection because of them";
  await terminal.says(new RegExp(`^zocalo: ${lost}$`, "m"));
  while (Buffer.concat(messages).length < 9) await new Promise((resolve) => setImmediate(resolve));
  const frame = Buffer.concat(messages);
  assert.equal(frame.readUInt16BE(0), 0x8183);
  const text = frame.subarray(6, 9).map((byte, at) => byte ^ (frame[2 + at] ?? 0));
  assert.equal(String(text), "end");
});

test("dial --reconnect: a message behind the one for which the peer closes is not lost with it", async () => {
  // It reads on and throws away, so that all of what is too large leaves, and the next one comes upon the
  // end.
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 1000 });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const messages: string[] = [];
  server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("message", (bytes: Buffer) => messages.push(String(bytes)));
  });
  await using terminal = new Terminal(`dial ws://127.0.0.1:${port} --reconnect -v`);
  terminal.child.stdin.end(`${"x".repeat(MUCH)}\nend\n`);
  const { code, stderr } = await terminal.end();
  server.close();
  assert.equal(code, 0, stderr);
  assert.deepEqual(messages, ["end"], stderr);
});

test("a Close that had come when the system took a message is read before the next one is begun", async () => {
  using server = await tcpServer((socket) => (far = socket));
  let far: Socket | undefined;
  const near = connect(server.port, "127.0.0.1");
  await Promise.all([once(near, "connect"), once(server.server, "connection")]);
  let closed: (info: CloseInfo) => void = () => undefined;
  let isOpen = true;
  // All that a session does with it: from then on it is not open, and it tells so later.
  near.once("data", () => {
    isOpen = false;
    setImmediate(() => closed({ code: 1009, reason: "too large", wasClean: true }));
  });
  const begun: unknown[] = [];
  const link: MessageLink = {
    form: "messages",
    peer: "ws://test",
    hasEnd: true,
    isOpen: () => isOpen,
    conn: {
      serve: (handler) => void (closed = (info) => handler.close?.(info)),
      send: async (message) => void begun.push(message),
      trySend: () => assert.fail("not used"),
      close: async () => undefined,
      abort: () => undefined,
    },
    // The last of it leaves, and what the peer had said before is at hand in the same moment.
    flush: () =>
      new Promise((resolve) => {
        setImmediate(() => {
          far?.write("x");
          resolve();
        });
      }),
  };
  const options = pumping(Buffer.from("large\nend\n"), [], "ws");
  await assert.rejects(pumpMessages(link, options), /1009/);
  near.destroy();
  assert.deepEqual(begun, ["large"]);
  assert.equal(await options.input.next(AbortSignal.timeout(0)), "end");
});

test("dial --reconnect: a stream goes on at the next server behind what the first one's system took", async () => {
  const content = noise(MUCH);
  const first = await tcpServer((socket) => {
    socket.once("data", () => {
      socket.resetAndDestroy();
      first.server.close();
    });
  });
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${first.port} --reconnect -v`);
  terminal.child.stdin.end(content);
  await terminal.says(/"event":"reconnecting"/);
  const server = createServer({ allowHalfOpen: true }).listen(first.port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  const rest = await readAll(socket);
  socket.end();
  server.close();
  assert.equal((await terminal.end()).code, 0);
  assert.ok(rest.length > 0 && rest.length < content.length);
  assert.ok(content.subarray(-rest.length).equals(rest));
});

/** Options for a pump whose input is `content`, in one portion. */
function pumping(content: Uint8Array, kept: number[], scheme: "tcp" | "ws" = "tcp") {
  const shape = shapeFor(scheme, { maxMessage: content.length }, false);
  const stdin = new PassThrough({ highWaterMark: content.length });
  stdin.end(content);
  return {
    input: new Input(stdin, shape),
    output: new Output(new PassThrough(), () => undefined),
    shape,
    timeoutMs: undefined,
    closing: undefined,
    onMistake: () => undefined,
    unsent: { kept: (bytes: number) => void kept.push(bytes), refused: () => assert.fail("nobody refused") },
  };
}

test("the next connection gets a portion from the very byte that the one before did not take", async () => {
  const content = noise(4_000_000);
  const kept: number[] = [];
  const options = pumping(content, kept);
  const [a, b] = pipe();
  let taken = Number.NaN;
  const write = a.write.bind(a);
  const watched: Conn = Object.assign(a, {
    write: (bytes: Uint8Array) =>
      write(bytes).catch((error: NetError) => {
        taken = error.bytesWritten ?? Number.NaN;
        throw error;
      }),
  });
  const broken = assert.rejects(pumpBytes(watched, options));
  const head = await b.readFull(100_000);
  b.abort();
  await broken;
  assert.ok(taken >= 100_000 && taken < content.length, String(taken));
  assert.ok(head !== null && content.subarray(0, 100_000).equals(head));
  assert.deepEqual(kept, [content.length - taken]);
  const [c, d] = pipe();
  const ended = pumpBytes(c, options);
  const rest = d.readFull(content.length - taken);
  assert.ok(content.subarray(taken).equals((await rest) ?? Buffer.alloc(0)));
  assert.equal(await d.read(), null);
  await d.close();
  assert.equal(await ended, "ended");
  assert.equal(options.input.hasSaidAll, true);
});
