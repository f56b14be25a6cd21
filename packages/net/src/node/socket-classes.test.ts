import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInThisContext } from "node:vm";
import { trialsOver } from "./trials.ts";

setFlagsFromString("--allow-natives-syntax");
const haveSameClass = runInThisContext("(a, b) => %HaveSameMap(a, b)") as (a: object, b: object) => boolean;

/** What Node reads of every socket's options, though no server gives it. */
const READ_BY_NODE = "signal";
const everyObject = Object.getPrototypeOf({}) as object;

test("accepted sockets are made of options of one hidden class", async () => {
  await trialsOver();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accept = async (): Promise<void> => {
    const accepting = once(server, "connection");
    const peer = connect({ port, host: "127.0.0.1" });
    const [accepted] = (await accepting) as [ReturnType<typeof connect>];
    accepted.destroy();
    peer.on("error", () => undefined).destroy();
  };
  // Whatever V8 learns from the first ones it has learned by then.
  for (let i = 0; i < 20; i++) await accept();
  const options = new Set<object>();
  Object.defineProperty(everyObject, READ_BY_NODE, {
    configurable: true,
    get(this: object) {
      const isOfAccepted = Object.hasOwn(this, "handle") && Object.hasOwn(this, "decodeStrings");
      if (isOfAccepted) options.add(this);
      return undefined;
    },
  });
  try {
    for (let i = 0; i < 3; i++) await accept();
  } finally {
    Reflect.deleteProperty(everyObject, READ_BY_NODE);
    server.close();
  }
  const [first, ...others] = options;
  assert.ok(first !== undefined && others.length >= 2, `${options.size} sockets were seen`);
  for (const other of others) assert.ok(haveSameClass(first, other));
});
