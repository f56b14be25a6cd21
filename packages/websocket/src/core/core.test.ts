import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import { Core, type CoreEvents } from "./core.ts";
import { buildFrame, FIN, OPCODE } from "./frame.ts";
import { defaultReceiveLimits } from "./message-body.ts";

/**
 * A client's core: what a server sends is not masked. All have the same limits, so that they share what can
 * be shared.
 */
class Client implements CoreEvents {
  readonly core = new Core("client", this, defaultReceiveLimits);
  readonly told: Message[] = [];
  faults = 0;
  pausesAfterMessage = false;

  onMessage(message: Message): void {
    this.told.push(message);
    if (this.pausesAfterMessage) this.core.pauseReceiving();
  }

  onPing(): void {}
  onPong(): void {}
  onPeerClose(): void {}
  onFailure(): void {
    this.faults++;
  }

  receive(bytes: Uint8Array): void {
    this.core.receive(Buffer.from(bytes), false);
  }
}

const frame = (text: string): Uint8Array => buildFrame(FIN | OPCODE.text, text);

test("what has come of a message stays with its connection while others receive theirs", () => {
  const [one, other] = [new Client(), new Client()];
  const hola = frame("hola");
  one.receive(frame("first"));
  for (const [at, byte] of hola.entries()) {
    other.receive(frame(`${at}`));
    one.receive(Uint8Array.of(byte));
    other.receive(buildFrame(OPCODE.text, "begun, "));
    other.receive(buildFrame(FIN | OPCODE.continuation, "ended"));
  }
  assert.deepEqual(one.told, ["first", "hola"]);
  assert.deepEqual(
    other.told,
    [...hola.keys()].flatMap((at) => [`${at}`, "begun, ended"]),
  );
});

test("a connection that is paused between messages is, whatever others do", () => {
  const [one, other] = [new Client(), new Client()];
  one.pausesAfterMessage = true;
  one.receive(frame("before"));
  one.pausesAfterMessage = false;
  other.receive(frame("meanwhile"));
  one.receive(frame("after"));
  assert.deepEqual([one.told, other.told], [["before"], ["meanwhile"]]);
  one.core.resumeReceiving();
  one.receive(frame("and again"));
  assert.deepEqual(one.told, ["before", "after", "and again"]);
});

test("one that has closed, and one that failed, tell no more, and others do", () => {
  const [closed, failed, other] = [new Client(), new Client(), new Client()];
  for (const each of [closed, failed, other]) each.receive(frame("before"));
  closed.core.close(1000, "");
  failed.receive(Uint8Array.of(0xff, 0));
  for (const each of [closed, failed, other]) each.receive(frame("after"));
  assert.deepEqual([closed.told, failed.told, other.told], [["before"], ["before"], ["before", "after"]]);
  assert.deepEqual([closed.faults, failed.faults, other.faults], [0, 1, 0]);
});

test("frames that wait stay with their connection when it rests", () => {
  const servers = [1, 2].map(() => new Core("server", new Client(), defaultReceiveLimits));
  const written = (core: Core | undefined): string => {
    if (core === undefined || core.waitingBytes === 0) return "";
    const bytes = core.outbox.take() as Uint8Array;
    const text = Buffer.from(bytes).toString("latin1", 2);
    core.outbox.taken(true, true);
    core.rest();
    return text;
  };
  const [one, other] = servers;
  one?.send("one");
  one?.rest();
  other?.send("other");
  assert.deepEqual([written(one), written(other)], ["one", "other"]);
  other?.send("again");
  assert.deepEqual([written(one), written(other)], ["", "again"]);
});
