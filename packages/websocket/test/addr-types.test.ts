// What the address of a listener is follows from what it was given; `tsc -b` fails if a line compiles that is
// not to.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { test } from "node:test";
import { listenPipe } from "@zocalo/net";
import { attach, dial, listen } from "../src/index.ts";
import { ANY_PORT } from "./peers.ts";

test("a listener on an address has a port", async () => {
  const listener = await listen(ANY_PORT);
  const client = await dial(`ws://127.0.0.1:${listener.addr.port}`);
  // @ts-expect-error it has no path
  assert.equal(listener.addr.path, undefined);
  await client.close();
  await listener.close();
});

test("a listener on another one has the address of that", async () => {
  const below = listenPipe();
  const listener = await listen(below);
  assert.equal(listener.addr.network, "pipe");
  // @ts-expect-error memory has no port
  assert.equal(listener.addr.port, undefined);
  await listener.close();
});

test("attach has the address of a server that may listen anywhere", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const listener = attach(server);
  // @ts-expect-error it may be a Unix socket
  assert.equal(typeof listener.addr.port, "number");
  await listener.close();
  await new Promise((resolve) => server.close(resolve));
});
