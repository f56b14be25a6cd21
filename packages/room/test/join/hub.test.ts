import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@zocalo/client";
import { CallError, Hub } from "@zocalo/hub";
import { dial, type Conn, lines, listen } from "@zocalo/net";
import { ENDED, EVENT, JOIN, type JoinRequest, LEAVE } from "../../src/contracts/wire.ts";
import { RoomError } from "../../src/contracts/errors.ts";
import { join } from "../../src/join/join.ts";
import type { PlayEnd, PlayState } from "../../src/join/options.ts";
import { defineGame } from "../../src/schema/game.ts";
import { game } from "./fake-room.ts";

/** A promise that the test settles. */
function waited<T>() {
  let resolve: (value: T) => void = () => assert.fail();
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

test("a session of the SDK joins at a real hub: refused, joined, cut off, back, kicked", async () => {
  const requests: JoinRequest[] = [];
  const sessions: string[] = [];
  const heard: unknown[] = [];
  const events = { log: "e", number: 7 };
  const hub = new Hub({ namespaces: {} });
  hub.handle(JOIN, (context, input) => {
    const request = input as unknown as JoinRequest;
    requests.push(request);
    sessions.push(context.session);
    if (request.hash !== game.layout.hash) throw new CallError("other_version", "load again", { version: 2 });
    return { room: "r1", mode: request.mode, process: "p1", seat: 0, tick: 5, incarnation: "i1", events };
  });
  hub.handle(EVENT, (_, input) => void heard.push(input));
  hub.handle(LEAVE, () => ({}));
  const listener = await listen("tcp", "127.0.0.1:0");
  void hub.serve(lines(listener));
  const conns: Conn[] = [];
  const session = connect(String(listener.addr), {
    dial: async (address, options) => {
      const conn = await dial("tcp", address, options);
      conns.push(conn);
      return lines(conn);
    },
  });

  const options = { mode: "arena", name: "Ana" };
  const later = defineGame({ ...game.definition, version: 2 });
  await assert.rejects(join(session, later, options), (error) => {
    assert.ok(error instanceof RoomError && error.code === "other_version");
    assert.deepEqual(Object(error.cause).data, { version: 2 });
    return true;
  });

  const states: PlayState[] = [];
  const ended = waited<PlayEnd>();
  const said = waited<unknown>();
  const isBack = waited<void>();
  const play = await join(session, game, {
    ...options,
    onEvent: said.resolve,
    onEnd: ended.resolve,
    onState(state) {
      states.push(state);
      if (state === "playing") isBack.resolve();
    },
  });
  await play.send({ say: "hola" });
  assert.deepEqual(heard, [{ say: "hola" }]);
  hub.send({ session: sessions.at(-1) ?? "" }, EVENT, { log: "e", number: 8, data: "rain" });
  assert.equal(await said.promise, "rain");

  conns.at(-1)?.abort();
  await isBack.promise;
  assert.deepEqual(states, ["returning", "playing"]);
  assert.deepEqual(
    { ...requests.at(-1) },
    { ...requests.at(-2), incarnation: "i1", room: "r1", heard: { ...events, number: 8 } },
  );
  assert.notEqual(sessions.at(-1), sessions.at(-2));
  hub.send({ session: sessions.at(-1) ?? "" }, ENDED, { reason: "kicked" });
  assert.deepEqual(await ended.promise, { reason: "kicked", text: undefined });

  await session.close();
  await hub.close();
});
