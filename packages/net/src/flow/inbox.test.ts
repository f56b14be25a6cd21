import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { NetError } from "../contracts/error.ts";
import { defaultInboxLimits } from "./inbox-queue.ts";
import type { Message } from "../contracts/message-conn.ts";
import { broken, clean, open } from "../../test/inboxes.ts";
import { isCode } from "../../test/fake-conn.ts";

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
