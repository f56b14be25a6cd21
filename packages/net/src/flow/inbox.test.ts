import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { NetError } from "../contracts/error.ts";
import { Inbox } from "./inbox.ts";
import { defaultInboxLimits, type InboxLimits } from "./inbox-queue.ts";
import type { CloseInfo, Message } from "../contracts/message-conn.ts";

const clean: CloseInfo = { code: 1000, reason: "", wasClean: true };
const broken: CloseInfo = { code: 1006, reason: "connection reset", wasClean: false };

function open(limits?: InboxLimits) {
  const calls: string[] = [];
  const failures: unknown[] = [];
  const inbox = new Inbox(
    {
      pause: () => void calls.push("pause"),
      resume: () => void calls.push("resume"),
      fail: (error) => void failures.push(error),
    },
    limits,
  );
  return { inbox, calls, failures };
}

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

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;

test("what a conversion throws rejects, whether the message waited or came later", async () => {
  const { inbox } = open();
  const refuse = (): never => {
    throw new RangeError("not convertible");
  };
  inbox.push("one", 3);
  await assert.rejects(inbox.receiveAs(refuse), RangeError);
  const later = inbox.receiveAs(refuse);
  inbox.push("two", 3);
  await assert.rejects(later, RangeError);
});

test("receives what was pushed before and after the call, in order, then null", async () => {
  const { inbox } = open();
  inbox.push("one", 3);
  assert.equal(await inbox.receive(), "one");
  const two = inbox.receive();
  const three = inbox.receive();
  inbox.push("two", 3);
  inbox.push("three", 5);
  inbox.end(clean);
  assert.deepEqual(await Promise.all([two, three]), ["two", "three"]);
  assert.equal(await inbox.receive(), null);
  assert.equal(await inbox.receive(), null);
});

test("an empty message is a message", async () => {
  const { inbox } = open();
  inbox.push("", 0);
  assert.equal(inbox.queuedMessages, 1);
  assert.equal(await inbox.receive(), "");
});

test("iteration ends after a clean close and throws after another, when everything was delivered", async () => {
  const a = open();
  a.inbox.push("x", 1);
  a.inbox.end(clean);
  const seen: string[] = [];
  for await (const message of a.inbox) seen.push(String(message));
  assert.deepEqual(seen, ["x"]);

  const b = open();
  b.inbox.push("x", 1);
  b.inbox.end(broken);
  const iterate = async () => {
    for await (const message of b.inbox) seen.push(String(message));
  };
  await assert.rejects(iterate, /connection reset/);
  assert.deepEqual(seen, ["x", "x"]);
});

test("the error of an unclean end is the one that is thrown", async () => {
  const { inbox } = open();
  const waiting = inbox.receive();
  const error = new Error("the wire was cut");
  inbox.end({ ...broken, error });
  await assert.rejects(waiting, error);
  await assert.rejects(inbox.receive(), error);
});

test("a canceled receive loses no message and leaves the others in place", async () => {
  const { inbox } = open();
  const controller = new AbortController();
  const first = inbox.receive({ signal: controller.signal });
  const second = inbox.receive();
  controller.abort(new Error("changed my mind"));
  await assert.rejects(first, (error: unknown) => {
    assert.ok(error instanceof NetError);
    assert.equal(error.code, "canceled");
    assert.ok(error.cause instanceof Error && error.cause.message === "changed my mind");
    return true;
  });
  inbox.push("kept", 4);
  assert.equal(await second, "kept");
  await assert.rejects(inbox.receive({ signal: controller.signal }), isCode("canceled"));
});

test("a signal that fires after its message came changes nothing", async () => {
  const { inbox } = open();
  const controller = new AbortController();
  const first = inbox.receive({ signal: controller.signal });
  inbox.push("one", 3);
  controller.abort();
  inbox.push("two", 3);
  assert.equal(await first, "one");
  assert.equal(await inbox.receive(), "two");
});

test("pauses the source at the message mark, not before, and resumes at half of it", async () => {
  const { inbox, calls } = open({ receiveHighWaterMessages: 4 });
  for (const name of ["a", "b", "c"]) assert.equal(inbox.push(name, 1), true);
  assert.deepEqual(calls, []);
  assert.equal(inbox.push("d", 1), false);
  assert.equal(inbox.push("e", 1), false);
  assert.deepEqual(calls, ["pause"]);
  assert.equal(inbox.isFull, true);
  await inbox.receive();
  await inbox.receive();
  assert.deepEqual(calls, ["pause"]);
  await inbox.receive();
  assert.deepEqual(calls, ["pause", "resume"]);
});

test("pauses the source at the byte mark, one byte below it not", () => {
  const { inbox, calls } = open({ receiveHighWaterBytes: 100 });
  assert.equal(inbox.push("x", 99), true);
  assert.deepEqual(calls, []);
  assert.equal(inbox.push("y", 1), false);
  assert.deepEqual(calls, ["pause"]);
  assert.equal(inbox.queuedBytes, 100);
});

test("the default marks are 64 KiB and 128 messages", () => {
  assert.deepEqual(defaultInboxLimits, { receiveHighWaterBytes: 65_536, receiveHighWaterMessages: 128 });
  const { inbox } = open({});
  for (let i = 0; i < 127; i++) assert.equal(inbox.push("", 0), true);
  assert.equal(inbox.push("", 0), false);
});

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

test("discard unblocks receivers: null when it was clean, an error when not", async () => {
  const a = open();
  const first = a.inbox.receive();
  a.inbox.discard(clean);
  assert.equal(await first, null);
  const b = open();
  const second = b.inbox.receive();
  b.inbox.discard(broken);
  await assert.rejects(second, isCode("closed"));
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

test("any mix of pushes, receives and cancellations delivers all messages once, in order", async () => {
  const step = fc.constantFrom("push", "receive", "receive with signal", "cancel one", "turn");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const { inbox } = open({ receiveHighWaterMessages: 3 });
      const received: Message[] = [];
      const controllers: AbortController[] = [];
      let pushed = 0;
      const take = (options?: { signal: AbortSignal }) =>
        void inbox.receive(options).then(
          (message) => message !== null && received.push(message),
          () => {},
        );
      for (const name of steps) {
        if (name === "push") inbox.push(String(pushed++), 1);
        else if (name === "receive") take();
        else if (name === "receive with signal") {
          const controller = new AbortController();
          controllers.push(controller);
          take({ signal: controller.signal });
        } else if (name === "cancel one") controllers.shift()?.abort();
        else await turn();
      }
      inbox.end(clean);
      await turn();
      for await (const message of inbox) received.push(message);
      assert.deepEqual(
        received,
        Array.from({ length: pushed }, (_, i) => String(i)),
      );
    }),
  );
});
