import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBinaryCommand, LIMITS, toJsonMessage } from "@zocalo/protocol";
import { CallError, type CallContext } from "../src/index.ts";
import { answerOf, callSquare, errorsOf, underWay } from "./calling.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { square } from "./square.ts";

test("a call is answered with what its handler gives, now or later, or with nothing", async () => {
  const { hub, conn, calls } = callSquare();
  hub.handle("nothing", () => undefined);
  const ana = conn();
  assert.deepEqual(await ana.ask({ type: "call", id: 1, method: "echo", data: { a: [1] } }), {
    type: "result",
    id: 1,
    data: { a: [1] },
  });
  assert.deepEqual(await ana.ask({ type: "call", id: 2, method: "nothing" }), { type: "result", id: 2 });
  assert.deepEqual(await ana.ask({ type: "call", id: 3, method: "echo" }), { type: "result", id: 3 });
  // Side by side, and answered as they are done.
  ana.say({ type: "call", id: 4, method: "held", data: "first" });
  ana.say({ type: "call", id: 5, method: "held", data: "second" });
  assert.equal((await ana.ask({ type: "ping", id: 6 })).type, "pong");
  calls[1]?.resolve(2);
  assert.deepEqual(await answerOf(ana, 5), { type: "result", id: 5, data: 2 });
  calls[0]?.resolve(1);
  assert.deepEqual(await answerOf(ana, 4), { type: "result", id: 4, data: 1 });
  const { calls: called, callsUnderWay } = hub.stats();
  assert.deepEqual([called, callsUnderWay], [5, 0]);
  await hub.close();
});

test("a handler knows who calls, from where, in how much time, and the text that came", async () => {
  const { hub, conn, clock } = square({
    authenticate: ({ token = "", info }) => ({ user: token, isGuest: token === "guest", info }),
  });
  const seen: CallContext[] = [];
  hub.handle("who", (context) => void seen.push(context));
  const ana = conn({ transport: "tcp", host: "203.0.113.7" });
  await ana.ask({ type: "connect", token: "ana", info: { name: "Ana" } });
  ana.say('{"type":"call","id":1,"method":"who","data":[1688888483063664642,\n-0],"deadlineMs":300}');
  await answerOf(ana, 1);
  const [context] = seen;
  assert.ok(context);
  const { method, user, isGuest, info, peer, json } = context;
  assert.deepEqual(
    { method, user, isGuest, info, at: String(peer.addr), json },
    {
      method: "who",
      user: "ana",
      isGuest: false,
      info: { name: "Ana" },
      at: "203.0.113.7:4711",
      json: "[1688888483063664642, -0]",
    },
  );
  assert.equal(context.remainingMs, 300);
  clock.advance(299);
  assert.equal(context.remainingMs, 1);
  clock.advance(2);
  assert.equal(context.remainingMs, 0);
  await ana.ask({ type: "call", id: 2, method: "who" });
  assert.equal(seen[1]?.remainingMs, 60_000);
  await hub.close();
});

test("a CallError is the application's refusal, with its code, message and data", async () => {
  const { hub, conn, errors } = square();
  hub.handle("now", () => {
    throw new CallError("out_of_stock", "the last one was sold", { left: 0 });
  });
  hub.handle("later", async () => {
    throw new CallError("sold.out", "", new Uint8Array([0, 255]));
  });
  const ana = conn();
  assert.deepEqual(await ana.ask({ type: "call", id: 1, method: "now" }), {
    type: "failed",
    id: 1,
    code: "out_of_stock",
    message: "the last one was sold",
    data: { left: 0 },
  });
  const later = { type: "failed", id: 2, code: "sold.out", message: "", bytes: "AP8=" };
  assert.deepEqual(await ana.ask({ type: "call", id: 2, method: "later" }), later);
  assert.deepEqual(errors, []);
  for (const code of ["c".repeat(64), "a-b_c.9"]) {
    assert.equal(new CallError(code, "m".repeat(1_024)).code, code);
  }
  for (const code of ["", "c".repeat(65), "a b", "é", 7 as never]) {
    assert.throws(() => new CallError(code, ""), { name: "TypeError", message: /code of a CallError/ });
  }
  assert.throws(() => new CallError("a", "m".repeat(1_025)), /at most 1024 characters/);
  await hub.close();
});

test("what else a handler throws is told to onError, and the client learns nothing of it", async () => {
  const { hub, conn, errors } = square();
  const secret = new Error("password of the database: hunter2");
  hub.handle("now", () => {
    throw secret;
  });
  hub.handle("later", () => Promise.reject(secret));
  const circle: Record<string, unknown> = {};
  circle["itself"] = circle;
  hub.handle("circle", () => circle);
  hub.handle("big", () => 1n);
  hub.handle("refused", () => {
    throw new CallError("a", "", circle);
  });
  const ana = conn();
  for (const [id, method] of ["now", "later", "circle", "big", "refused"].entries()) {
    assert.deepEqual(await ana.ask({ type: "call", id: id + 1, method }), {
      type: "error",
      id: id + 1,
      code: "unavailable",
      message: `${method} failed at the server`,
    });
  }
  assert.deepEqual(errors.slice(0, 2), [secret, secret]);
  assert.deepEqual(
    errors.slice(2).map((error) => (error as Error).name),
    ["TypeError", "TypeError", "TypeError"],
  );
  assert.deepEqual([hub.stats().callsUnderWay, hub.stats().refused], [0, 5]);
  await hub.close();
});

test("a method that is not handled, or no longer, is unknown; a name is handled once", async () => {
  const { hub, conn } = square();
  const stop = hub.handle("shop.buy", () => "bought");
  const ana = conn();
  assert.throws(() => hub.handle("shop.buy", () => 1), { code: "bad_command", message: /handled already/ });
  for (const name of ["", "a b", "m".repeat(129), 7 as never]) {
    assert.throws(() => hub.handle(name, () => 1), { name: "ProtocolError", code: "bad_command" });
  }
  hub.handle("m".repeat(128), () => 1)();
  assert.equal((await ana.ask({ type: "call", id: 1, method: "shop.buy" })).type, "result");
  stop();
  const other = hub.handle("shop.buy", () => "other");
  stop(); // is over, and stops no other one
  assert.equal((await ana.ask({ type: "call", id: 2, method: "shop.buy" })).type, "result");
  other();
  for (const [index, method] of ["shop.buy", "__proto__", "constructor", "toString"].entries()) {
    const answer = await ana.ask({ type: "call", id: 3 + index, method });
    assert.ok(answer.type === "error" && answer.code === "unknown_method", JSON.stringify(answer));
  }
  hub.handle("__proto__", () => "a name like any other");
  assert.equal((await ana.ask({ type: "call", id: 9, method: "__proto__" })).type, "result");
  await hub.close();
});

test("who may call is asked as in namespaces, and a call waits for the answer", async () => {
  const { hub, conn } = square({
    authenticate: ({ token = "guest" }) => ({ user: token, isGuest: token === "guest" }),
  });
  hub.handle("users", () => 1, { allow: "users" });
  hub.handle("nobody", () => 1, { allow: "nobody" });
  hub.handle("ana", () => 1, { allow: async ({ user }, method) => user === method });
  const [ana, guest] = [conn(), conn()];
  await ana.ask({ type: "connect", token: "ana" });
  const typeOf = async (who: typeof ana, id: number, method: string) => {
    const answer = await who.ask({ type: "call", id, method });
    return answer.type === "error" ? answer.code : answer.type;
  };
  assert.deepEqual(
    [await typeOf(ana, 1, "users"), await typeOf(ana, 2, "ana"), await typeOf(ana, 3, "nobody")],
    ["result", "result", "forbidden"],
  );
  assert.deepEqual(
    [await typeOf(guest, 1, "users"), await typeOf(guest, 2, "ana")],
    ["forbidden", "forbidden"],
  );
  assert.throws(() => hub.handle("x", () => 1, { allow: "everyone" as never }), { code: "invalid_argument" });
  await hub.close();
});

test("cancel aborts the signal and answers the call; what comes later is neither sent nor told", async () => {
  const { hub, conn, calls, errors } = callSquare();
  const ana = conn();
  for (const id of [1, 2, 3]) ana.say({ type: "call", id, method: "held" });
  ana.say({ type: "cancel", call: 2 });
  ana.say({ type: "cancel", call: 2 });
  ana.say({ type: "cancel", call: 77 });
  const answer = await answerOf(ana, 2);
  assert.ok(answer.type === "error" && answer.code === "cancelled");
  const { signal } = calls[1] ?? assert.fail();
  assert.equal(signal.aborted, true);
  assert.equal((signal.reason as { code?: string }).code, "cancelled");
  assert.deepEqual(
    calls.map((call) => call.signal.aborted),
    [false, true, false],
  );
  calls[1]?.reject(signal.reason); // As what was given the signal does.
  calls[0]?.resolve(1);
  calls[2]?.resolve(3);
  await Promise.all([answerOf(ana, 1), answerOf(ana, 3)]);
  assert.equal(await underWay({ hub }), 0);
  assert.deepEqual(errorsOf(ana), [[2, "cancelled"]]);
  assert.deepEqual(errors, []);
  await hub.close();
});

test("a call takes at most its time, and at most the server's", async () => {
  for (const [deadlineMs, ms] of [
    [250, 250],
    [undefined, 1_000],
    [1_001, 1_000],
  ] as const) {
    const { hub, conn, calls, clock, errors } = callSquare({ limits: { callMs: 1_000 } });
    const ana = conn();
    ana.say({ type: "call", id: 1, method: "held", deadlineMs });
    await settle();
    clock.advance(ms - 1);
    assert.deepEqual(errorsOf(ana), []);
    assert.equal(calls[0]?.signal.aborted, false);
    clock.advance(1);
    assert.deepEqual(errorsOf(ana), [[1, "deadline_exceeded"]]);
    assert.equal(calls[0]?.signal.aborted, true);
    assert.equal(await underWay({ hub }), 0, "its place is free, though the handler never settles");
    calls[0]?.resolve("too late");
    await settle();
    assert.equal(ana.all("result").length, 0);
    assert.deepEqual(errors, []);
    await hub.close();
  }
});

test("a handler that rejects when nobody waits any longer is told to onError, unless it is for the signal", async () => {
  const { hub, conn, calls, clock, errors } = callSquare();
  const ana = conn();
  for (const id of [1, 2, 3, 4]) ana.say({ type: "call", id, method: "held", deadlineMs: 10 });
  await settle();
  clock.advance(10);
  const late = new Error("late");
  calls[0]?.reject(late);
  calls[1]?.reject(calls[1].signal.reason);
  calls[2]?.reject(new DOMException("gone", "AbortError"));
  calls[3]?.reject(new CallError("late", "as an answer that comes late"));
  await settle();
  assert.deepEqual(errors, [late]);
  await hub.close();
});

test("bytes come and go as bytes, which are the handler's own", async () => {
  const { hub, conn } = square();
  const kept: unknown[] = [];
  hub.handle("keep", (_, input) => {
    kept.push(input);
    return input instanceof Uint8Array ? input.subarray(1) : null;
  });
  const ana = conn();
  ana.say('{"type":"call","id":1,"method":"keep","bytes":"AQID"}');
  assert.deepEqual(await answerOf(ana, 1), { type: "result", id: 1, bytes: "AgM=" });
  const sent = encodeBinaryCommand({ type: "call", id: 2, method: "keep", data: new Uint8Array([7, 8]) });
  assert.equal(toJsonMessage(sent), '{"type":"call","id":2,"method":"keep","bytes":"Bwg="}');
  assert.deepEqual(kept, [new Uint8Array([1, 2, 3])]);
  await hub.close();
});

test("an input at its limit is taken, and one past it is too large", async () => {
  const { hub, conn } = callSquare();
  const ana = conn();
  for (const [id, data, expected] of [
    [1, "x".repeat(LIMITS.dataLength - 2), "result"],
    [2, "x".repeat(LIMITS.dataLength - 1), "too_large"],
    [3, Buffer.alloc(LIMITS.dataBytes).toString("base64"), "result"],
    [4, Buffer.alloc(LIMITS.dataBytes + 1).toString("base64"), "too_large"],
  ] as const) {
    ana.say(`{"type":"call","id":${id},"method":"echo","${id > 2 ? "bytes" : "data"}":"${data}"}`);
    const answer = await answerOf(ana, id);
    assert.equal(answer.type === "error" ? answer.code : answer.type, expected);
  }
  await hub.close();
});

test("an answer at its limit is given, and one past it is too large, which onError is told", async () => {
  const clock = new FakeClock();
  const { hub, conn, errors } = callSquare({ clock, limits: { callAnswerBytes: 1_000 } });
  const around = '{"type":"result","id":1,"data":""}'.length;
  hub.handle("long", (_, length) => "é".repeat(Number(length)));
  const ana = conn();
  const most = (1_000 - around) / 2;
  assert.equal((await ana.ask({ type: "call", id: 1, method: "long", data: most })).type, "result");
  const refused = await ana.ask({ type: "call", id: 2, method: "long", data: most + 1 });
  assert.ok(refused.type === "error" && refused.code === "too_large");
  assert.match(String(errors[0]), /long: the answer has 1002 bytes; to a call there may be 1000/);
  assert.equal(await underWay({ hub }), 0);
  await hub.close();
});
