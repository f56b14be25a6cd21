import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { onceAborted } from "./abort-listeners.ts";
import { listenPacket } from "../udp/listen-packet.ts";

test("all who wait for a signal are called, in order; who was taken back is not, by one of them either", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const called: string[] = [];
  onceAborted(signal, () => {
    called.push("one");
    forgetThree();
  });
  const forgetTwo = onceAborted(signal, () => called.push("two"));
  const forgetThree = onceAborted(signal, () => called.push("three"));
  onceAborted(signal, () => called.push("four"));
  assert.equal(getEventListeners(signal, "abort").length, 1);
  forgetTwo();
  forgetTwo();
  controller.abort();
  assert.deepEqual(called, ["one", "four"]);
  forgetThree();
});

test("a signal for which nobody waits any more has no listener", () => {
  const { signal } = new AbortController();
  const forget = [1, 2, 3].map(() => onceAborted(signal, () => assert.fail()));
  for (const each of forget) each();
  assert.equal(getEventListeners(signal, "abort").length, 0);
  onceAborted(signal, () => undefined);
  assert.equal(getEventListeners(signal, "abort").length, 1);
});

test("no leak is suspected where many calls wait with one signal", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  const packets = await listenPacket("udp", "127.0.0.1:0");
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: 20 }, () => packets.receive({ signal }));
  const ended = Promise.all(waiting.map((each) => assert.rejects(each, { code: "canceled" })));
  await turn(); // They are told in a later tick.
  controller.abort();
  await ended;
  await packets.close();
  process.off("warning", onWarning);
  assert.deepEqual(warnings, []);
});
