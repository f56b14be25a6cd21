// No run of commands keeps others waiting: a few milliseconds, and then addresses take turns.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BusyClock } from "./busy-clock.ts";
import { settle } from "./fake-clock.ts";
import { square } from "./square.ts";
import { GREEDY, HONEST, PING } from "./visitors.ts";

/** The event loop's next turn, and what comes of it. */
async function turn(clock: BusyClock): Promise<void> {
  clock.turn();
  await settle();
}

test("what comes at once is carried out for three milliseconds, and the rest in later turns", async () => {
  const clock = new BusyClock();
  let done = 0;
  // Each publication takes one millisecond.
  const publish = (): boolean => {
    done++;
    clock.workedMs += 1;
    return true;
  };
  const { hub, conn } = square({ clock, namespaces: { dear: { subscribe: "anyone", publish } } });
  const greedy = conn(GREEDY);
  await greedy.ask(PING);
  await turn(clock);
  for (let id = 1; id <= 8; id++) greedy.say({ type: "publish", channel: "dear:x", data: 1, id });
  const doneByTurn: number[] = [];
  while (doneByTurn.at(-1) !== 8) {
    doneByTurn.push(done);
    assert.ok(doneByTurn.length < 5, doneByTurn.join(" "));
    await turn(clock);
  }
  assert.deepEqual(doneByTurn, [3, 6, 8]);
  await greedy.until((message) => message.type === "published" && message.id === 8);
  await hub.close();
});

test("who waits for a turn waits for one of each other address, not of each connection", async () => {
  const clock = new BusyClock();
  const order: string[] = [];
  const publish = ({ user }: { readonly user: string }): boolean => {
    order.push(user);
    clock.workedMs += 3;
    return true;
  };
  const { hub, conn } = square({
    clock,
    namespaces: { dear: { publish } },
    authenticate: ({ token = "" }) => ({ user: token, isGuest: false }),
  });
  const named = async (user: string, from: typeof GREEDY | typeof HONEST) => {
    const one = conn(from);
    await one.ask({ type: "connect", token: user });
    return one;
  };
  const greedy = [];
  for (let number = 0; number < 10; number++) greedy.push(await named("eve", GREEDY));
  const honest = await named("ana", HONEST);
  await turn(clock);
  for (const one of greedy) {
    for (let count = 0; count < 5; count++) one.say({ type: "publish", channel: "dear:x", data: 1 });
  }
  honest.say({ type: "publish", channel: "dear:x", data: 1 });
  for (let count = 0; count < 4; count++) await turn(clock);
  assert.ok([1, 2].includes(order.indexOf("ana")), order.join(" "));
  for (let count = 0; count < 60; count++) await turn(clock);
  assert.equal(order.length, 51);
  await hub.close();
});

test("those who wait have their commands carried out in one turn as long as there is time", async () => {
  const clock = new BusyClock();
  let workMs = 3;
  let done = 0;
  const publish = (): boolean => {
    done++;
    clock.workedMs += workMs;
    return true;
  };
  const { hub, conn } = square({ clock, namespaces: { dear: { subscribe: "anyone", publish } } });
  const greedy = conn(GREEDY);
  const hosts = Array.from({ length: 100 }, (_, number) => `192.0.2.${number}`);
  const crowd = hosts.map((host) => conn({ transport: "tcp", host }));
  for (const one of [greedy, ...crowd]) await one.ask(PING);
  await turn(clock);
  for (const one of [greedy, ...crowd]) one.say({ type: "publish", channel: "dear:x", data: 1 });
  await settle();
  assert.equal(done, 1);
  workMs = 0;
  await turn(clock);
  assert.equal(done, 101);
  await hub.close();
});

test("a session that ends while it waits for its turn does nothing more", async () => {
  const clock = new BusyClock();
  let done = 0;
  const publish = (): boolean => {
    done++;
    clock.workedMs += 3;
    return true;
  };
  const { hub, conn, errors } = square({ clock, namespaces: { dear: { publish } } });
  const greedy = conn(GREEDY);
  await greedy.ask(PING);
  await turn(clock);
  for (let count = 0; count < 5; count++) greedy.say({ type: "publish", channel: "dear:x", data: 1 });
  await settle();
  greedy.cut();
  for (let count = 0; count < 5; count++) await turn(clock);
  assert.deepEqual([done, errors], [1, []]);
  await hub.close();
});
