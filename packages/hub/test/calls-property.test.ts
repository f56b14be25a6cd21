// Any history of ids, cancellations, deadlines and handlers: a call is answered once, as what is first says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { CallError } from "../src/index.ts";
import { callSquare } from "./calling.ts";
import { settle } from "./fake-clock.ts";

const SEEDS = 60;
const STEPS = 150;
const MOST = 6;
const CALL_MS = 500;

/** A call whose handler is at work, and has time. */
interface AtWork {
  readonly id: number;
  readonly endsAt: number;
  isAnswered: boolean;
}

/** What the settling of a handler is, and what the call is answered. */
const ENDS = [
  ["result", (call) => call.resolve("done")],
  ["failed", (call) => call.reject(new CallError("no", "not this time"))],
  ["unavailable", (call) => call.reject(new Error("broken"))],
  ["unavailable", (call) => call.resolve(1n)],
] as const satisfies readonly (readonly [
  string,
  (call: { resolve(output: unknown): void; reject(error: Error): void }) => void,
])[];

test(`${SEEDS} histories of calls are answered as a model says, and no place is lost`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const plaza = callSquare({
      limits: { calls: MOST, callMs: CALL_MS, commandBurst: 1_000_000, badCommands: 1_000_000 },
    });
    const { hub, conn, calls, clock } = plaza;
    const ana = conn();
    await ana.ask({ type: "ping" });
    await settle();
    const expected: [number, string][] = [];
    /** By the index of the handler's call. */
    const atWork = new Map<number, AtWork>();
    const open = (id: number) => [...atWork.values()].find((call) => call.id === id && !call.isAnswered);
    const answer = (call: AtWork | undefined, kind: string): void => {
      if (call === undefined || call.isAnswered) return;
      expected.push([call.id, kind]);
      call.isAnswered = true;
    };
    for (let step = 0; step < STEPS; step++) {
      const id = random.int(1, 10);
      switch (random.int(0, 4)) {
        case 0:
        case 1: {
          const deadlineMs = random.int(0, 2) === 0 ? undefined : random.int(1, 700);
          ana.say({ type: "call", id, method: "held", ...(deadlineMs && { deadlineMs }) });
          if (open(id)) expected.push([id, "bad_command"]);
          else if (atWork.size >= MOST) expected.push([id, "limit_reached"]);
          else {
            const endsAt = clock.uptime() + Math.min(deadlineMs ?? CALL_MS, CALL_MS);
            atWork.set(calls.length - 1, { id, endsAt, isAnswered: false });
          }
          break;
        }
        case 2:
          ana.say({ type: "cancel", call: id });
          answer(open(id), "cancelled");
          break;
        case 3: {
          if (calls.length === 0) break;
          // Also one that has settled, or whose time is over.
          const index = random.int(Math.max(0, calls.length - 10), calls.length - 1);
          const [kind, end] = ENDS[random.int(0, ENDS.length - 1)] ?? assert.fail();
          const settled = calls[index];
          if (settled === undefined) break;
          end(settled);
          answer(atWork.get(index), kind);
          atWork.delete(index);
          break;
        }
        default: {
          const until = clock.uptime() + random.int(0, 200);
          const over = [...atWork].filter(([, { endsAt }]) => endsAt <= until);
          for (const [index, call] of over.toSorted(([, a], [, b]) => a.endsAt - b.endsAt)) {
            answer(call, "deadline_exceeded");
            atWork.delete(index);
          }
          clock.advance(until - clock.uptime());
        }
      }
      await settle();
      assert.equal(hub.stats().callsUnderWay, atWork.size, `seed ${seed}, step ${step}`);
    }
    const got: unknown[] = [];
    for (const message of ana.received) {
      if (message.type === "error") got.push([message.id, message.code]);
      else if (message.type !== "pong" && "id" in message) got.push([message.id, message.type]);
    }
    assert.deepEqual(got, expected, `seed ${seed}`);
    const left = [...atWork].filter(([, { isAnswered }]) => !isAnswered);
    ana.cut();
    for (const [index] of left) assert.equal(calls[index]?.signal.aborted, true);
    clock.advance(CALL_MS);
    assert.equal(hub.stats().callsUnderWay, 0, `seed ${seed}`);
    await hub.close();
  }
});
