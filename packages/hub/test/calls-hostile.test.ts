// What peers and handlers may do that nobody expects of them: the hub lives, and each call is answered once.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallContext } from "../src/index.ts";
import { answerOf, callSquare, errorsOf, underWay } from "./calling.ts";
import { settle } from "./fake-clock.ts";
import { square } from "./square.ts";
import { GREEDY, HONEST, honestVisit } from "./visitors.ts";

test("whatever a handler throws or gives, be it no error and no promise of ours, a call is answered once", async () => {
  const { hub, conn } = square();
  const odd: Record<string, () => unknown> = {
    nothing: () => {
      throw undefined;
    },
    text: () => {
      throw "text";
    },
    rejects: () => Promise.reject(),
    both: () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- such things exist
      then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
        resolve(1);
        reject(new Error("as well"));
        resolve(2);
        throw new Error("and this");
      },
    }),
    trap: () =>
      // oxlint-disable-next-line unicorn/no-thenable -- such things exist
      Object.defineProperty({}, "then", {
        get() {
          throw new Error("no promise");
        },
      }),
    says: () => ({
      toJSON() {
        throw new Error("it says nothing");
      },
    }),
    undefinedJson: () => ({ toJSON: () => undefined }),
    fn: () => () => 1,
    nan: () => Number.NaN,
  };
  for (const [method, handler] of Object.entries(odd)) hub.handle(method, handler);
  const ana = conn();
  const methods = Object.keys(odd);
  for (const [index, method] of methods.entries()) ana.say({ type: "call", id: index + 1, method });
  for (const index of methods.keys()) await answerOf(ana, index + 1);
  await settle();
  const kinds = ana.received.map((message) =>
    message.type === "error" ? message.code : message.type === "result" ? message.data : message.type,
  );
  const ids = ana.received.map((message) => ("id" in message ? message.id : undefined));
  assert.equal(new Set(ids).size, methods.length);
  const unavailable = "unavailable";
  assert.deepEqual(
    methods.map((method, index) => [method, kinds[ids.indexOf(index + 1)]]),
    [
      ["nothing", unavailable],
      ["text", unavailable],
      ["rejects", unavailable],
      ["both", 1],
      ["trap", unavailable],
      ["says", unavailable],
      ["undefinedJson", undefined],
      ["fn", undefined],
      ["nan", null],
    ],
  );
  assert.equal(await underWay({ hub }), 0);
  await hub.close();
});

test("a context that is kept says that it is over, also to who asks for the signal only then", async () => {
  const { hub, conn } = square();
  const kept: CallContext[] = [];
  hub.handle("keep", (context) => {
    kept.push(context);
    return new Promise(() => undefined);
  });
  const ana = conn();
  ana.say({ type: "call", id: 1, method: "keep" });
  await settle();
  ana.cut();
  const [context] = kept;
  assert.equal(context?.signal.aborted, true);
  assert.equal(String(context.signal.reason), "Error: the session has ended");
  await hub.close();
});

test("a session that ends while its permission is asked calls nothing", async () => {
  const { hub, conn } = square();
  let called = 0;
  let allow = (_: boolean): void => {};
  const asked = new Promise<boolean>((resolve) => {
    allow = resolve;
  });
  hub.handle("slowly", () => called++, { allow: () => asked });
  const ana = conn();
  ana.say({ type: "call", id: 1, method: "slowly" });
  await settle();
  ana.cut();
  allow(true);
  assert.equal(await underWay({ hub }), 0);
  assert.equal(called, 0);
  await hub.close();
});

test("a flood of calls and cancels has no more handlers at work than there may be", async (t) => {
  const plaza = callSquare({ limits: { calls: 10, excessCommands: 1_000_000 } });
  const greedy = plaza.conn(GREEDY);
  for (let id = 1; id <= 5_000; id++) {
    greedy.say({ type: "call", id, method: "held" });
    greedy.say({ type: "cancel", call: id });
  }
  await settle();
  assert.equal(plaza.calls.length, 10);
  assert.equal(await underWay(plaza), 10);
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("calls of unknown methods are refused as fast as anything, and are no bad commands", async (t) => {
  const plaza = callSquare();
  const greedy = plaza.conn(GREEDY);
  for (let id = 1; id <= 900; id++) greedy.say({ type: "call", id, method: `m${id}` });
  await settle();
  assert.equal(greedy.closed, undefined);
  assert.equal(errorsOf(greedy).filter(([, code]) => code === "unknown_method").length, 900);
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("a handler that is called while the hub closes is told, and nothing is answered after the end", async () => {
  const plaza = callSquare();
  const ana = plaza.conn(HONEST);
  ana.say({ type: "call", id: 1, method: "held" });
  await settle();
  const closing = plaza.hub.close();
  assert.equal(plaza.calls[0]?.signal.aborted, true);
  plaza.calls[0]?.resolve("late");
  await closing;
  assert.equal(ana.all("result").length, 0);
  assert.deepEqual(plaza.errors, []);
});
