import { after } from "node:test";
import { testConnContract } from "./conn-contract.ts";
import { noUnixSockets, Pairs, sliced } from "./pairs.ts";

const pairs = new Pairs();
after(() => pairs.dispose());

const byteByByte = (): number => 1;
const atOnce = (): number => 0;
testConnContract("tcp, one byte at a time", sliced(pairs.tcp, byteByByte, atOnce));
testConnContract("unix, one byte at a time", sliced(pairs.unix, byteByByte, atOnce), {
  hasReset: false,
  forgetsEnd: true,
  skip: noUnixSockets,
});
testConnContract("tls, one byte at a time", sliced(pairs.tls, byteByByte, atOnce), { hasReset: false });
testConnContract("pipe, one byte at a time", sliced(pairs.pipe, byteByByte, atOnce));
