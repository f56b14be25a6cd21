import { after } from "node:test";
import { enableReadBuffer } from "../src/node/node-internals.ts";
import { testConnContract } from "./conn-contract.ts";
import { Pairs } from "./pairs.ts";

const pairs = new Pairs();
after(() => pairs.dispose());

testConnContract("tcp", pairs.tcp);
testConnContract("tcp6", pairs.tcp6);
testConnContract("unix", pairs.unix, { hasReset: false, forgetsEnd: true });
testConnContract("tls", pairs.tls, { hasReset: false });
testConnContract("pipe", pairs.pipe);
testConnContract("a socket as a stream of Node's", pairs.nodeStream, { hasReset: false });

testConnContract("tcp with data events", async () => {
  enableReadBuffer(false);
  try {
    return await pairs.tcp();
  } finally {
    enableReadBuffer(true);
  }
});
