import { after, before } from "node:test";
import { enableReadBuffer } from "../src/node/read-buffer.ts";
import { trialsOver } from "../src/node/trials.ts";
import { testConnContract } from "./conn-contract.ts";
import { noUnixSockets, Pairs } from "./pairs.ts";

const pairs = new Pairs();
before(trialsOver);
after(() => pairs.dispose());

testConnContract("tcp", pairs.tcp);
testConnContract("tcp6", pairs.tcp6);
testConnContract("unix", pairs.unix, { hasReset: false, forgetsEnd: true, skip: noUnixSockets });
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
