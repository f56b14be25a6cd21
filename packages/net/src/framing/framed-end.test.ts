// What may go wrong between the end of a peer's side and that of the connection, see `MessageHandler.end`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { CloseInfo } from "../contracts/message-conn.ts";
import { pipe } from "../stream/pipe.ts";
import { lines } from "./lines.ts";
import { isCode, openLines, record } from "../../test/fake-conn.ts";

const never = (): Promise<void> => new Promise(() => undefined);

test("a close within end has closeTimeoutMs for a peer that takes nothing, and close is told how it went", async () => {
  const { wire, conn } = openLines({ closeTimeoutMs: 1, writeTimeoutMs: Infinity });
  wire.isStuck = true;
  const closed = new Promise<CloseInfo>((close) => {
    conn.serve({
      message: (message) => void conn.trySend(`re: ${String(message)}`),
      end: () => conn.close(),
      close,
    });
  });
  wire.feed("a\n", null);
  const { code, wasClean, error } = await closed;
  assert.deepEqual([code, wasClean], [1006, false]);
  assert.ok(isCode("timeout")(error));
  assert.ok(wire.calls.includes("abort"));
});

test("a connection whose end failed is cut after closeTimeoutMs if the peer takes nothing", async () => {
  const { wire, conn } = openLines({ closeTimeoutMs: 1, writeTimeoutMs: Infinity });
  wire.isStuck = true;
  const handler = record((message) => void conn.trySend(`re: ${String(message)}`));
  conn.serve({ ...handler, end: () => Promise.reject(new Error("thrown")) });
  wire.feed("a\n", null);
  while (!wire.calls.includes("abort")) await turn();
  assert.deepEqual(handler.log, ["a", "(close 1011 unclean)"]);
});

test("whoever aborts within end is not told of an end in order", async () => {
  const { wire, conn } = openLines();
  const handler = record();
  conn.serve({
    ...handler,
    end() {
      conn.abort();
      return never();
    },
  });
  wire.feed("a\n", null);
  while (handler.log.length < 2) await turn();
  assert.deepEqual(handler.log, ["a", "(close 1006 unclean)"]);
});

test("what is lost while end is pending is told, and no end in order", async () => {
  const { wire, conn } = openLines();
  wire.write = () => Promise.reject(new Error("reset"));
  const closed = new Promise<CloseInfo>((close) => {
    conn.serve({
      message() {},
      end() {
        conn.trySend("late");
        return never();
      },
      close,
    });
  });
  wire.feed("a\n", null);
  const { code, wasClean, error } = await closed;
  assert.deepEqual([code, wasClean, error?.message], [1006, false, "reset"]);
});

for (const way of ["serve", "for await"]) {
  test(`${way}: what is lost behind the peer's end is told after what had been received`, async () => {
    const { wire, conn } = openLines();
    wire.write = () => Promise.reject(new Error("reset"));
    const seen: string[] = [];
    const answer = (message: unknown): Promise<void> => {
      seen.push(String(message));
      conn.trySend(`re: ${String(message)}`); // Refused from the second on.
      return turn();
    };
    wire.feed("a\nb\nc\n", null);
    await turn();
    await turn();
    if (way === "serve") {
      const { code, wasClean, error } = await new Promise<CloseInfo>((close) => {
        conn.serve({ message: answer, close });
      });
      assert.deepEqual([code, wasClean, error?.message], [1006, false, "reset"]);
    } else {
      const reading = (async () => {
        for await (const message of conn) await answer(message);
      })();
      await assert.rejects(reading, /reset/);
    }
    assert.deepEqual(seen, ["a", "b", "c"]);
  });
}

test("a drain that fails while end is pending ends the connection with 1011, and comes to close", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 1 });
  const thrown = new Error("thrown");
  const closed = new Promise<CloseInfo>((close) => {
    conn.serve({
      message() {},
      drain: () => Promise.reject(thrown),
      end() {
        assert.equal(conn.trySend("re: a"), "buffered");
        return never();
      },
      close,
    });
  });
  wire.feed("a\n", null);
  const { code, wasClean, error } = await closed;
  assert.deepEqual([code, wasClean, error], [1011, false, thrown]);
});

test("a stream that has ended both ways in order is an end in order, for who has yet to take what came", async () => {
  const [a, b] = pipe();
  const [conn, peer] = [lines(a), lines(b)];
  void a.closeWrite();
  for (const text of ["1", "2", "3", "4"]) await peer.send(text);
  await peer.close();
  for (let turns = 0; turns < 10; turns++) await turn();
  const seen: string[] = [];
  for await (const message of conn) seen.push(String(message));
  assert.deepEqual(seen, ["1", "2", "3", "4"]);
});
