// Every option of `connect` is given what people give by mistake: it is refused by a TypeError, or is one of
// the few values that are legal after all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type IsLegal, LEGAL, oddValuesTaken } from "@zocalo/integrity";
import { connect, type Dial } from "../src/index.ts";

const notNull: IsLegal = (value) => value !== null;
const numberFrom0: IsLegal = (value) => typeof value === "number" && value >= 0;
/** An empty list is an object without options. */
const options: IsLegal = (value) => LEGAL.object(value) || LEGAL.list(value);

const dial: Dial = () => new Promise(() => {});

/** Its errors have no code. */
async function make(given: object): Promise<void> {
  try {
    await connect("fake:", { dial, ...given }).close();
  } catch (error) {
    throw error instanceof TypeError ? Object.assign(error, { code: "TypeError" }) : error;
  }
}

const connecting = {
  token: notNull,
  info: notNull,
  dial: notNull,
  backoff: options,
  outbox: options,
  keep: notNull,
  timeoutMs: numberFrom0,
  random: LEGAL.function,
  clock: LEGAL.nothing,
  network: LEGAL.nothing,
};
const table: readonly [string, Readonly<Record<string, IsLegal>>, (options: object) => unknown][] = [
  ["connect", connecting, make],
  ["backoff", { baseMs: numberFrom0, maxMs: numberFrom0 }, (backoff) => make({ backoff })],
  ["outbox", { entries: numberFrom0, length: numberFrom0 }, (outbox) => make({ outbox })],
];
for (const [name, legal, call] of table) {
  test(`${name} takes no odd value as any of its options`, async () => {
    assert.deepEqual(await oddValuesTaken(call, legal, ["TypeError"]), []);
  });
}

test("a refusal says what is allowed, and shows no token", () => {
  const cases = [
    [{ tokn: "secret" }, /^connect has no option tokn; it has token, info, dial, backoff, outbox, keep, /],
    [{ timeoutMs: "secret" }, /^timeoutMs of connect is string, and not number from 0$/],
    [{ outbox: { entries: -1 } }, /^entries of outbox is -1, and not number from 0$/],
  ] as const;
  for (const [given, message] of cases) {
    assert.throws(() => connect("fake:", { dial, ...given } as never), { message });
  }
});

test("an option that is undefined has its default", async () => {
  const session = connect("fake:", { dial, timeoutMs: undefined } as never);
  assert.equal(session.state.name, "connecting");
  await session.close();
});
