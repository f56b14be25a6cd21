// The class against https://websockets.spec.whatwg.org/: close(), and how a connection closes and fails. The
// rest is in `whatwg-standard.test.ts`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "../src/index.ts";
import {
  BAD_FRAMES,
  CLOSE,
  closing,
  ENDINGS,
  frame,
  type RawEnd,
  rawWebSocketServer,
  TEXT,
} from "./raw-websocket-server.ts";
import { next, record, testSteps } from "./whatwg-steps.ts";

/** Completes the closing handshake as a server that repeats nothing: its own words are sent. */
async function answerClose(end: RawEnd, words: Uint8Array): Promise<void> {
  while ((await end.frame()).opcode !== CLOSE);
  end.socket.end(frame(CLOSE, words));
}

testSteps([
  {
    at: "close(), [Clamp]",
    must: "a fraction is rounded, and a half to the even neighbour",
    async run(socket, accepted) {
      await next(socket, "open");
      socket.close(2999.5, null as unknown as string);
      const { payload } = await (await accepted).frame();
      assert.deepEqual([payload.readUInt16BE(), String(payload.subarray(2))], [3000, "null"]);
      for (const code of [999.5, 1000.5, 4999.49, 4998.5]) socket.close(code);
      for (const code of [999.4, 1000.51, 2998.5, 4999.5, -1, Infinity]) {
        assert.throws(() => socket.close(code), { name: "InvalidAccessError" }, String(code));
      }
    },
  },
  {
    at: "close()",
    must: "of several calls the first counts, and one Close frame is sent, behind the messages",
    async run(socket, accepted) {
      await next(socket, "open");
      const end = await accepted;
      socket.send("before");
      socket.close(3000, "first");
      socket.close(3001, "second");
      socket.close();
      assert.equal(String((await end.frame()).payload), "before");
      const { opcode, payload } = await end.frame();
      assert.deepEqual(
        [opcode, payload.toString("latin1")],
        [CLOSE, closing(3000, "first").toString("latin1")],
      );
      const closed = next(socket, "close");
      const further: Buffer[] = [];
      end.socket.on("data", (chunk) => further.push(chunk));
      end.socket.end(frame(CLOSE));
      await closed;
      assert.deepEqual(further, []);
    },
  },
  {
    at: "message received, not OPEN",
    must: "what comes after close() is not told, nor is what a listener's close() has behind it",
    async run(socket, accepted) {
      const seen = record(socket);
      await next(socket, "open");
      const end = await accepted;
      socket.addEventListener("message", () => socket.close(), { once: true });
      end.send(frame(TEXT, "1"), frame(TEXT, "2"));
      const closed = next(socket, "close");
      while ((await end.frame()).opcode !== CLOSE);
      end.socket.end(Buffer.concat([frame(TEXT, "3"), frame(CLOSE)]));
      assert.equal((await closed).wasClean, true);
      assert.deepEqual(seen, ["open 1", "message 1", "close 3"]);
    },
  },
  {
    at: "message received, not OPEN",
    must: "what comes while close() waits for a Blob to be read is not told either",
    async run(socket, accepted) {
      const seen = record(socket);
      await next(socket, "open");
      const end = await accepted;
      const told = () => {
        socket.send(new Blob(["b"]));
        socket.close();
      };
      socket.addEventListener("message", told, { once: true });
      end.send(frame(TEXT, "1"), frame(TEXT, "2"));
      const closed = next(socket, "close");
      assert.equal(String((await end.frame()).payload), "b");
      await answerClose(end, closing(1000));
      assert.equal((await closed).wasClean, true);
      assert.deepEqual(seen, ["open 1", "message 1", "close 3"]);
    },
  },
  {
    at: "connection closed",
    must: "code and reason are those of the server's Close frame, whatever was said to it",
    async run(socket, accepted) {
      await next(socket, "open");
      const closed = next(socket, "close");
      socket.close(3000, "mine");
      await answerClose(await accepted, closing(4001, "ñ yours"));
      const { wasClean, code, reason } = await closed;
      assert.deepEqual([wasClean, code, reason], [true, 4001, "ñ yours"]);
    },
  },
  {
    at: "connection closed (RFC 6455 §7.1.5)",
    must: "a BOM is part of the reason",
    async run(socket, accepted) {
      await next(socket, "open");
      const closed = next(socket, "close");
      (await accepted).socket.end(frame(CLOSE, closing(1000, "\ufeffx")));
      assert.equal((await closed).reason, "\ufeffx");
    },
  },
  {
    at: "connection closed (RFC 6455 §7.1.5)",
    must: "a Close frame without a code is 1005",
    async run(socket, accepted) {
      await next(socket, "open");
      const closed = next(socket, "close");
      socket.close(3000);
      await answerClose(await accepted, new Uint8Array(0));
      const { wasClean, code, reason } = await closed;
      assert.deepEqual([wasClean, code, reason], [true, 1005, ""]);
    },
  },
  {
    at: "closing handshake started",
    must: "the server's Close frame is answered with its code, and the state is CLOSING until TCP has ended",
    async run(socket, accepted) {
      const seen = record(socket);
      await next(socket, "open");
      const end = await accepted;
      end.send(frame(CLOSE, closing(1001, "bye")));
      const { opcode, payload } = await end.frame();
      assert.deepEqual([opcode, payload.readUInt16BE()], [CLOSE, 1001]);
      assert.equal(socket.readyState, WebSocket.CLOSING);
      const closed = next(socket, "close");
      end.socket.end();
      assert.deepEqual([(await closed).code, (await closed).reason], [1001, "bye"]);
      assert.deepEqual(seen, ["open 1", "close 3"]);
    },
  },
]);

for (const { why, end, isClean } of ENDINGS) {
  test(`connection closed, after close(): it is ${isClean ? "clean" : "not clean"} if ${why}`, async () => {
    await using server = await rawWebSocketServer();
    const socket = new WebSocket(server.url, [], { closeTimeoutMs: 100 });
    await next(socket, "open");
    const seen = record(socket);
    const peer = await server.accepted;
    const closed = next(socket, "close");
    if (isClean) peer.send(frame(CLOSE, closing(4000)));
    else socket.close();
    assert.equal((await peer.frame()).opcode, CLOSE);
    end(peer);
    const { wasClean, code } = await closed;
    assert.deepEqual([wasClean, code], [isClean, isClean ? 4000 : 1006]);
    assert.deepEqual(seen, isClean ? ["close 3"] : ["error 3", "close 3"]);
  });
}

for (const [why, bytes, told] of BAD_FRAMES) {
  test(`connection closed, failed: ${why} fails the connection, and the server is told ${told}`, async () => {
    await using server = await rawWebSocketServer();
    const socket = new WebSocket(server.url, [], { compression: false });
    const seen = record(socket);
    await next(socket, "open");
    const end = await server.accepted;
    const closed = next(socket, "close");
    end.send(bytes);
    const { opcode, payload } = await end.frame();
    assert.deepEqual([opcode, payload.readUInt16BE()], [CLOSE, told]);
    end.socket.end();
    const { wasClean, code } = await closed;
    assert.deepEqual([wasClean, code], [false, 1006]);
    assert.deepEqual(seen, ["open 1", "error 3", "close 3"]);
  });
}
