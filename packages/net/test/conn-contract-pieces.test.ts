import { after } from "node:test";
import { testConnContract } from "./conn-contract.ts";
import { noUnixSockets, Pairs, seededRandom, sliced } from "./pairs.ts";

const pairs = new Pairs();
after(() => pairs.dispose());

const random = seededRandom(1);
const anyLength = (length: number): number => 1 + Math.floor(random() * Math.min(length, 5000));
const anyDelay = (): number => Math.floor(random() * 4);
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
