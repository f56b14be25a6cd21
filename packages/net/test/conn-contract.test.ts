import { after } from "node:test";
import { enableReadBuffer } from "../src/node-internals.ts";
import { testConnContract } from "./conn-contract.ts";
import { Pairs, seededRandom, sliced } from "./pairs.ts";

const pairs = new Pairs();
after(() => pairs.dispose());

testConnContract("tcp", pairs.tcp);
testConnContract("tcp6", pairs.tcp6);
testConnContract("unix", pairs.unix, { hasReset: false, forgetsEnd: true });
testConnContract("tls", pairs.tls, { hasReset: false });
testConnContract("pipe", pairs.pipe);

testConnContract("tcp with data events", async () => {
  enableReadBuffer(false);
  try {
    return await pairs.tcp();
  } finally {
    enableReadBuffer(true);
  }
});

const byteByByte = (): number => 1;
const atOnce = (): number => 0;
testConnContract("tcp, one byte at a time", sliced(pairs.tcp, byteByByte, atOnce));
testConnContract("unix, one byte at a time", sliced(pairs.unix, byteByByte, atOnce), {
  hasReset: false,
  forgetsEnd: true,
});
testConnContract("tls, one byte at a time", sliced(pairs.tls, byteByByte, atOnce), { hasReset: false });
testConnContract("pipe, one byte at a time", sliced(pairs.pipe, byteByByte, atOnce));

const random = seededRandom(1);
const anyLength = (length: number): number => 1 + Math.floor(random() * Math.min(length, 5000));
const anyDelay = (): number => Math.floor(random() * 4);
testConnContract("tcp, random pieces and delays", sliced(pairs.tcp, anyLength, anyDelay));
testConnContract("unix, random pieces and delays", sliced(pairs.unix, anyLength, anyDelay), {
  hasReset: false,
  forgetsEnd: true,
});
testConnContract("tls, random pieces and delays", sliced(pairs.tls, anyLength, anyDelay), {
  hasReset: false,
});
testConnContract("pipe, random pieces and delays", sliced(pairs.pipe, anyLength, anyDelay));
