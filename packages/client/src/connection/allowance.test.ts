import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connected } from "@zocalo/protocol";
import fc from "fast-check";
import { Allowance } from "./allowance.ts";

/** What JSON can say as a number, and what is none. */
const anything = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    -0,
    -1,
    1e-300,
    0.5,
    1,
    1e308,
    -1e308,
    JSON.parse("1e400"),
    JSON.parse("-1e400"),
  ),
  fc.constantFrom<unknown>(undefined, null, "", "7", "x", true, [], [3], {}),
  fc.double(),
);

test("whatever a server says of its rate, a publication may be sent now, or after a time", () => {
  const publication = { channel: "a", key: "k", json: "1" };
  fc.assert(
    fc.property(
      anything,
      anything,
      fc.array(fc.tuple(anything, fc.nat(100_000)), { maxLength: 8 }),
      (commandsPerSecond, commandBurst, answers) => {
        let now = 0;
        const clock = { wall: () => 0, uptime: () => now, after: () => () => {} };
        const allowance = new Allowance(clock);
        allowance.told({ commandsPerSecond, commandBurst } as Connected);
        for (const [cost, ms] of answers) {
          allowance.spend(1_000);
          const answered = allowance.publishing(publication);
          answered({ type: "published", epoch: "e", offset: 1, cost } as never);
          now += ms;
          const wait = allowance.waitMs(publication);
          assert.ok(typeof wait === "number" && wait >= 0, `it is to wait ${wait} ms`);
        }
      },
    ),
    { numRuns: 20_000 },
  );
});
