// An inbox with a handler: what it is given, what holds it back, and what its failures do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { CloseInfo, Message } from "../contracts/message-conn.ts";
import { broken, clean, open } from "../../test/inboxes.ts";
import { isCode } from "../../test/fake-conn.ts";

/** A handler that writes down what it was told and can be made to wait. */
function record() {
  const log: string[] = [];
  let release: (() => void) | undefined;
  let isHeld = false;
  return {
    log,
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      release?.();
    },
    message(message: Message): void | Promise<void> {
      log.push(String(message));
      if (isHeld) return new Promise<void>((resolve) => (release = resolve));
    },
    drain: () => void log.push("drain"),
    close: (info: CloseInfo) => void log.push(`close ${info.code}`),
  };
}

test("a handler gets what was queued, then each message as it comes, then close once", async () => {
  const { inbox } = open();
  const handler = record();
  inbox.push("early", 5);
  inbox.serve(handler);
  assert.deepEqual(handler.log, [], "not during serve()");
  await turn();
  assert.deepEqual(handler.log, ["early"]);
  inbox.push("live", 4);
  assert.deepEqual(handler.log, ["early", "live"], "at once when the handler is free");
  inbox.end(clean);
  inbox.end(broken);
  inbox.discard(broken);
  await turn();
  assert.deepEqual(handler.log, ["early", "live", "close 1000"]);
  assert.equal(inbox.push("late", 4), false);
});

test("a handler's promise holds back messages and the source", async () => {
  const { inbox, calls } = open({ receiveHighWaterMessages: 2 });
  const handler = record();
  inbox.serve(handler);
  await turn();
  handler.hold();
  inbox.push("1", 1);
  inbox.push("2", 1);
  inbox.push("3", 1);
  inbox.end(clean);
  await turn();
  assert.deepEqual(handler.log, ["1"]);
  assert.deepEqual(calls, ["pause"]);
  handler.release();
  await turn();
  assert.deepEqual(handler.log, ["1", "2", "3", "close 1000"]);
});

test("the source resumes when a held handler has caught up", async () => {
  const { inbox, calls } = open({ receiveHighWaterMessages: 1 });
  const handler = record();
  inbox.serve(handler);
  await turn();
  handler.hold();
  inbox.push("1", 1);
  assert.equal(inbox.push("2", 1), false);
  handler.release();
  await turn();
  assert.deepEqual(handler.log, ["1", "2"]);
  assert.deepEqual(calls, ["pause", "resume"]);
});

test("messages that arrive while the handler runs wait for it to return", async () => {
  const { inbox } = open();
  const log: string[] = [];
  inbox.serve({
    message(message) {
      log.push(`+${String(message)}`);
      if (message === "a") {
        inbox.push("b", 1);
        inbox.end(clean);
      }
      log.push(`-${String(message)}`);
    },
    close: () => void log.push("close"),
  });
  await turn();
  inbox.push("a", 1);
  assert.deepEqual(log, ["+a", "-a", "+b", "-b", "close"]);
});

test("a broken connection wakes a handler that waits for room to send", async () => {
  const { inbox } = open();
  const log: string[] = [];
  let wake: (() => void) | undefined;
  inbox.serve({
    message: (message) => {
      log.push(String(message));
      return new Promise<void>((resolve) => (wake = resolve));
    },
    drain: () => wake?.(),
    close: (info) => void log.push(`close ${info.code}`),
  });
  await turn();
  inbox.push("waits", 5);
  inbox.end(broken);
  await turn();
  assert.deepEqual(log, ["waits", "close 1006"]);
});

test("discard drops the queue and closes even while the handler's promise is pending", async () => {
  const { inbox } = open();
  const handler = record();
  inbox.serve(handler);
  await turn();
  handler.hold();
  inbox.push("taken", 5);
  inbox.push("dropped", 7);
  inbox.discard(clean);
  await turn();
  assert.deepEqual(handler.log, ["taken", "close 1000"]);
  handler.release();
  await turn();
  assert.deepEqual(handler.log, ["taken", "close 1000"]);
  assert.equal(inbox.queuedBytes, 0);
});

test("a handler that throws ends the flow and tells the source", async () => {
  for (const isAsync of [false, true]) {
    const { inbox, failures } = open();
    const oops = new Error("oops");
    const log: string[] = [];
    inbox.serve({
      message(message) {
        log.push(String(message));
        if (isAsync) return Promise.reject(oops);
        throw oops;
      },
      close: (info) => void log.push(`close ${info.code} ${info.error?.message}`),
    });
    inbox.push("a", 1);
    inbox.push("b", 1);
    await turn();
    assert.deepEqual(log, ["a", "close 1011 oops"]);
    assert.deepEqual(failures, [oops]);
  }
});

test("a handler that fails behind a clean end is told its failure, as it did not take all", async () => {
  const { inbox, failures } = open();
  const log: string[] = [];
  inbox.serve({
    async message(message) {
      log.push(String(message));
      await turn();
      throw new Error("oops");
    },
    close: (info) => void log.push(`close ${info.code} ${info.wasClean} ${info.error?.message}`),
  });
  inbox.push("a", 1);
  inbox.push("b", 1);
  inbox.end({ code: 1000, reason: "", wasClean: true });
  await turn();
  await turn();
  assert.deepEqual(log, ["a", "close 1011 false oops"]);
  assert.equal(failures.length, 1);
});

test("a handler whose drain throws or rejects is treated alike", async () => {
  for (const isAsync of [false, true]) {
    const { inbox, failures } = open();
    const infos: CloseInfo[] = [];
    inbox.serve({
      message() {},
      drain() {
        if (isAsync) return Promise.reject(new Error("oops"));
        throw new Error("oops");
      },
      close: (info) => void infos.push(info),
    });
    inbox.drained();
    await turn();
    assert.equal(failures.length, 1);
    assert.deepEqual(
      infos.map((info) => info.code),
      [1011],
    );
    inbox.drained();
    await turn();
    assert.equal(failures.length, 1);
  }
});

test("a drain that rejects because the connection broke takes nothing from what was received", async () => {
  const { inbox, failures } = open();
  const log: string[] = [];
  let goOn = (): void => undefined;
  inbox.serve({
    message(message) {
      log.push(String(message));
      return new Promise((resolve) => (goOn = resolve));
    },
    drain: () => Promise.reject(new Error("nothing can be sent")),
    close: (info) => void log.push(`close ${info.code}`),
  });
  inbox.push("a", 1);
  inbox.push("b", 1);
  inbox.end(broken);
  await turn();
  goOn();
  await turn();
  goOn();
  await turn();
  assert.deepEqual(log, ["a", "b", "close 1006"]);
  assert.equal(failures.length, 0);
});

test("drained reaches the handler until it is closed", async () => {
  const { inbox } = open();
  const handler = record();
  inbox.drained();
  inbox.serve(handler);
  inbox.drained();
  inbox.end(clean);
  await turn();
  inbox.drained();
  assert.deepEqual(handler.log, ["drain", "close 1000"]);
});

test("either receive or serve, not both, and serve once", async () => {
  const a = open();
  a.inbox.serve(record());
  assert.throws(() => a.inbox.serve(record()), isCode("invalid_argument"));
  await assert.rejects(a.inbox.receive(), isCode("invalid_argument"));
  const b = open();
  const waiting = b.inbox.receive();
  assert.throws(() => b.inbox.serve(record()), isCode("invalid_argument"));
  b.inbox.push("greeting", 8);
  assert.equal(await waiting, "greeting");
  const handler = record();
  b.inbox.serve(handler);
  b.inbox.push("served", 6);
  await turn();
  assert.deepEqual(handler.log, ["served"]);
});
