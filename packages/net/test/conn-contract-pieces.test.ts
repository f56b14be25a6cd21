import { after } from "node:test";
import { Random } from "@zocalo/integrity";
import { testConnContract } from "./conn-contract.ts";
import { noUnixSockets, Pairs, sliced } from "./pairs.ts";

const pairs = new Pairs();
after(() => pairs.dispose());

const random = new Random(1);
const anyLength = (length: number): number => random.int(1, Math.min(length, 5000));
const anyDelay = (): number => random.below(4);
testConnContract("tcp, random pieces and delays", sliced(pairs.tcp, anyLength, anyDelay));
testConnContract("unix, random pieces and delays", sliced(pairs.unix, anyLength, anyDelay), {
  hasReset: false,
  forgetsEnd: true,
  skip: noUnixSockets,
});
testConnContract("tls, random pieces and delays", sliced(pairs.tls, anyLength, anyDelay), {
  hasReset: false,
});
testConnContract("pipe, random pieces and delays", sliced(pairs.pipe, anyLength, anyDelay));
