import { test } from "node:test";
import { concurrencyContract } from "./conn-contract/concurrency.ts";
import { deadlinesContract } from "./conn-contract/deadlines.ts";
import { endsContract } from "./conn-contract/ends.ts";
import { failuresContract } from "./conn-contract/failures.ts";
import { readingContract } from "./conn-contract/reading.ts";
import { servingContract } from "./conn-contract/serving.ts";
import { writingContract } from "./conn-contract/writing.ts";
import type { ContractTraits, Pair } from "./conn-contract/subject.ts";

const MANY = 8 * 1024 * 1024;

/** What every implementation of `Conn` must do. `makePair` makes two connected ends, `a` and `b`. */
export function testConnContract(
  name: string,
  makePair: () => Promise<Pair>,
  traits: ContractTraits = {},
): void {
  if (typeof traits.skip === "string") return void test(name, { skip: traits.skip });
  const { hasReset = true, forgetsEnd = false, transferBytes = MANY } = traits;

  const contract = (title: string, run: (pair: Pair) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const pair = await makePair();
      try {
        await run(pair);
      } finally {
        pair.a.abort();
        pair.b.abort();
        await pair.tidy();
      }
    });
  };

  const subject = { contract, makePair, hasReset, forgetsEnd, transferBytes };
  readingContract(subject);
  writingContract(subject);
  deadlinesContract(subject);
  endsContract(subject);
  failuresContract(subject);
  servingContract(subject);
  concurrencyContract(subject);
}
