// What an address is follows from its network: each line that is not to compile says so, and `tsc -b` fails
// if it does.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Addr,
  type Conn,
  dial,
  lines,
  listen,
  type Listener,
  listenPacket,
  listenPipe,
  peers,
  pipe,
} from "@zocalo/net";

const ANY_PORT = "127.0.0.1:0";

test("tcp has a port, at the listener, at both ends and behind a framing", async () => {
  const listener = await listen("tcp", ANY_PORT);
  const { port } = listener.addr;
  const client = await dial("tcp", `127.0.0.1:${port}`);
  const server = await listener.accept();
  assert.equal(client.remoteAddr.port, port);
  assert.equal(server.localAddr.port, port);
  assert.equal(server.remoteAddr.host, "127.0.0.1");
  // @ts-expect-error a TCP address has no path
  assert.equal(listener.addr.path, undefined);
  // @ts-expect-error nor has that of a connection
  assert.equal(client.localAddr.path, undefined);
  assert.equal(lines(listener).addr.port, port);
  await Promise.all([client.close(), server.close(), listener.close()]);
});

test("a Unix socket has a path", async () => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-addr-"));
  const path = join(directory, "s");
  const listener = await listen("unix", path);
  const client = await dial("unix", path);
  const server = await listener.accept();
  assert.equal(listener.addr.path, path);
  assert.equal(client.remoteAddr.path, path);
  // @ts-expect-error a Unix address has no port
  assert.equal(server.localAddr.port, undefined);
  await Promise.all([client.close(), server.close(), listener.close()]);
  rmSync(directory, { recursive: true });
});

test("datagrams have a port, and memory has neither port nor path", async () => {
  const packets = await listenPacket("udp4", ANY_PORT);
  const speakers = peers(packets);
  const caller = await dial("udp4", `127.0.0.1:${speakers.addr.port}`);
  assert.equal(caller.remoteAddr.port, packets.localAddr.port);
  await Promise.all([caller.close(), speakers.close()]);
  const [end] = pipe();
  assert.equal(end.localAddr.network, "pipe");
  // @ts-expect-error no port
  assert.equal(end.localAddr.port, undefined);
  const listener = listenPipe();
  // @ts-expect-error no path
  assert.equal(listener.addr.path, undefined);
  end.abort();
  await listener.close();
});

test("where the network is not known, the address is of any of them", async () => {
  const byNetwork = (network: "tcp" | "unix", address: string): Promise<Listener<Conn>> =>
    listen(network, address);
  const listener = await byNetwork("tcp", ANY_PORT);
  // @ts-expect-error it may be a path
  assert.equal(typeof listener.addr.port, "number");
  const addr: Addr = listener.addr;
  if (addr.network === "unix") assert.fail(addr.path);
  const conn = await dial("tcp" as "tcp" | "unix", String(addr));
  // @ts-expect-error it may be a path
  assert.equal(typeof conn.remoteAddr.port, "number");
  conn.abort();
  await listener.abort();
});
