import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { type Conn, dial, type Listener, listen, type Refusal } from "@zocalo/net";
import { withFewFiles } from "./with-few-files.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-listener-"));
after(() => rmSync(directory, { recursive: true }));

/** Connects, and tells when the other side has cut it off. */
async function refused(listener: Listener<Conn>): Promise<void> {
  const conn = await dial("tcp", String(listener.addr));
  try {
    assert.equal(await conn.read(), null);
  } catch (error) {
    assert.equal((error as { code: string }).code, "reset");
  } finally {
    conn.abort();
  }
}

test("one past maxConnections is cut off, and there is room again when one has ended", async () => {
  const refusals: Refusal[] = [];
  const onRefuse = (refusal: Refusal): void => {
    refusals.push(refusal);
  };
  const listener = await listen("tcp", "127.0.0.1:0", { maxConnections: 2, onRefuse });
  const clients = [await dial("tcp", String(listener.addr)), await dial("tcp", String(listener.addr))];
  const servers = [await listener.accept(), await listener.accept()];
  await refused(listener);
  assert.deepEqual(
    refusals.map(({ reason }) => reason),
    ["max_connections"],
  );
  assert.match(String(refusals[0]?.remoteAddr), /^127\.0\.0\.1:\d+$/);
  await Promise.all([clients[0]?.close(), servers[0]?.close()]);
  // The end is told by the system a moment later.
  let isAccepted = false;
  const accepted = (async () => {
    await listener.accept();
    isAccepted = true;
  })();
  while (!isAccepted) {
    const client = await dial("tcp", String(listener.addr));
    await Promise.race([accepted, client.read().catch(() => null)]);
    client.abort();
  }
  await listener.abort();
  for (const client of clients) client.abort();
});

test("one past maxPending is cut off", async () => {
  const reasons: string[] = [];
  const listener = await listen("tcp", "127.0.0.1:0", {
    maxPending: 1,
    onRefuse: ({ reason }) => reasons.push(reason),
  });
  const waiting = await dial("tcp", String(listener.addr));
  await refused(listener);
  assert.deepEqual(reasons, ["max_pending"]);
  const accepted = await listener.accept();
  assert.equal(String(accepted.remoteAddr), String(waiting.localAddr));
  await listener.abort();
  waiting.abort();
});

test("limits, durations and networks that are out of range are refused before anything is bound", async () => {
  const bad = [
    { maxConnections: 0 },
    { maxPending: 1.5 },
    { backlog: 0 },
    { keepAliveIdleMs: 10 },
    { closeTimeoutMs: -1 },
  ];
  for (const options of bad) {
    await assert.rejects(
      listen("tcp", "127.0.0.1:0", options),
      { code: "invalid_argument" },
      JSON.stringify(options),
    );
  }
  await assert.rejects(listen("sctp" as "tcp", ":0"), { code: "invalid_argument" });
  await assert.rejects(dial("sctp" as "tcp", ":1"), { code: "invalid_argument" });
});

test("close lets accepted connections live, and aborts those nobody accepted", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const client = await dial("tcp", String(listener.addr));
  const server = await listener.accept();
  const second = connect({ port: Number(String(listener.addr).split(":")[1]), host: "127.0.0.1" });
  second.on("error", () => undefined);
  await once(second, "connect");
  const closed = new Promise<void>((resolve) => {
    second.resume().on("close", resolve);
  });
  await listener.close();
  await closed;
  await server.write(Buffer.from("alive"));
  assert.equal(String(await client.readFull(5)), "alive");
  await Promise.all([client.close(), server.close()]);
});

test("drain waits for the handlers' connections; abort cuts them", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  const drained = listener.drain(Date.now() + 60_000);
  const controller = new AbortController();
  const canceled = listener.drain(null, { signal: controller.signal });
  controller.abort("why");
  await assert.rejects(canceled, { code: "canceled", cause: "why" });
  await assert.rejects(dial("tcp", String(listener.addr)), { code: "refused" });
  await server.write(Buffer.from("last"));
  await server.closeWrite();
  assert.equal(String(await client.readFull(4)), "last");
  await client.close();
  assert.equal(await server.read(), null);
  await drained;

  const other = await listen("tcp", "127.0.0.1:0");
  const [a, b] = await Promise.all([dial("tcp", String(other.addr)), other.accept()]);
  await other.abort();
  await assert.rejects(b.read(), { code: "closed" });
  await assert.rejects(a.read(), { code: "reset" });
});

test("drain waits for no peer that keeps its side open, and the process still listens to its last words", async () => {
  const program = new URL("./drain-and-end.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--conditions=zocalo-source", "--import", "tsx", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const [host, port] = String((await lines.next()).value).split(":");
  const peer = connect({ host, port: Number(port), allowHalfOpen: true });
  await once(peer.resume(), "end");
  assert.equal((await lines.next()).value, "drained");
  // Were the other end gone, the first word would be answered by a reset and the second fail.
  peer.write("still ");
  await new Promise((resolve) => peer.write("here", resolve));
  const closed = once(peer, "close");
  peer.end();
  assert.deepEqual(await closed, [false]);
  assert.deepEqual(await exited, [0, null]);
});

test("a connection's own end counts, also when nobody closes it", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  client.abort();
  await assert.rejects(server.read(), { code: "reset" });
  await listener.drain(null);
});

test("unix sockets: permissions, removal on close, abstract names", async () => {
  const path = join(directory, "mode.sock");
  const listener = await listen("unix", path, { mode: 0o600 });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(String(listener.addr), path);
  await listener.close();
  assert.equal(existsSync(path), false);
  if (process.platform !== "linux") return;
  const name = `@zocalo-test-${process.pid}`;
  const abstract = await listen("unix", name);
  const [client, server] = await Promise.all([dial("unix", name), abstract.accept()]);
  await client.write(Buffer.from("x"));
  assert.equal(String(await server.read()), "x");
  assert.equal(String(client.remoteAddr), name);
  // As other programs find it: the table shows NULs as "@".
  const names = readFileSync("/proc/net/unix", "latin1")
    .split("\n")
    .map((line) => line.split(" ").at(-1) ?? "");
  const [bound] = names.filter((each) => each.startsWith(name));
  assert.equal(bound, process.version.startsWith("v20.") ? name.padEnd(108, "@") : name);
  await abstract.abort();
  client.abort();
});

/** The timer of a TCP connection over 127.0.0.1 as Linux lists it: "02" is that of keep-alive, "00" none. */
function timerOf({ localAddr, remoteAddr }: Conn): string | undefined {
  const [local, remote] = [localAddr, remoteAddr].map((addr) => {
    const port = Number(String(addr).split(":")[1]);
    return `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  });
  const [, timer] =
    new RegExp(`${local} ${remote} 01 \\S+ (\\d\\d):`).exec(readFileSync("/proc/net/tcp", "utf8")) ?? [];
  return timer;
}

test("keep-alive is on at both ends, unless it is switched off", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux lists the timers of its connections");
  for (const [options, expected] of [
    [undefined, "02"],
    [{ keepAlive: false }, "00"],
  ] as const) {
    const listener = await listen("tcp", "127.0.0.1:0", options);
    const [client, server] = await Promise.all([
      dial("tcp", String(listener.addr), options),
      listener.accept(),
    ]);
    assert.deepEqual([timerOf(client), timerOf(server)], [expected, expected]);
    client.abort();
    await listener.abort();
  }
});

test("dual stack, IPv4 only, IPv6 only", async () => {
  const both = await listen("tcp", ":0");
  const port = String(both.addr).split(":").at(-1);
  for (const host of ["127.0.0.1", "[::1]"]) {
    const [client, server] = await Promise.all([dial("tcp", `${host}:${port}`), both.accept()]);
    assert.equal(String(server.remoteAddr), String(client.localAddr));
    client.abort();
  }
  await both.abort();
  const six = await listen("tcp6", ":0");
  const port6 = String(six.addr).split(":").at(-1);
  await assert.rejects(dial("tcp", `127.0.0.1:${port6}`), { code: "refused" });
  await six.abort();
  const four = await listen("tcp4", ":0");
  assert.match(String(four.addr), /^0\.0\.0\.0:\d+$/);
  await four.abort();
});

test("reusePort works where the runtime has it, and is refused where not", async () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 23 || (major === 22 && minor >= 12) || (major === 23 && minor >= 1)) {
    const first = await listen("tcp", "127.0.0.1:0", { reusePort: true });
    const second = await listen("tcp", String(first.addr), { reusePort: true });
    await Promise.all([first.close(), second.close()]);
  } else {
    await assert.rejects(listen("tcp", "127.0.0.1:0", { reusePort: true }), { code: "unsupported" });
  }
});

test("a proxy's header gives the addresses, only from trusted ones, and what follows it is not lost", async () => {
  const proxyProtocol = { trusted: ["127.0.0.0/8", "::1"] };
  const listener = await listen("tcp", "127.0.0.1:0", { proxyProtocol });
  const early = await dial("tcp", String(listener.addr));
  await early.write(Buffer.from("PROXY TCP4 203.0.113.7 203.0.113.1 1234 80\r\nearly "));
  const server = await listener.accept();
  assert.equal(String(server.remoteAddr), "203.0.113.7:1234");
  assert.equal(String(server.localAddr), "203.0.113.1:80");
  await early.write(Buffer.from("late"));
  assert.equal(String(await server.readFull(10)), "early late");

  const slow = await dial("tcp", String(listener.addr));
  for (const byte of Buffer.from("PROXY UNKNOWN\r\n")) await slow.write(Uint8Array.of(byte));
  const unknown = await listener.accept();
  assert.equal(String(unknown.remoteAddr), String(slow.localAddr));
  await slow.write(Buffer.from("x"));
  assert.equal(String(await unknown.readFull(1)), "x");
  await slow.closeWrite();
  assert.equal(await unknown.read(), null);

  const ended = await dial("tcp", String(listener.addr));
  await ended.write(Buffer.from("PROXY TCP6 ::2 ::3 1 2\r\n"));
  await ended.closeWrite();
  const last = await listener.accept();
  assert.equal(String(last.remoteAddr), "[::2]:1");
  assert.equal(await last.read(), null);
  await listener.abort();
  for (const conn of [early, slow, ended]) conn.abort();

  const untrusting = await listen("tcp", "127.0.0.1:0", { proxyProtocol: { trusted: ["10.0.0.0/8"] } });
  const liar = await dial("tcp", String(untrusting.addr));
  await liar.write(Buffer.from("PROXY"));
  const honest = await untrusting.accept();
  assert.equal(String(honest.remoteAddr), String(liar.localAddr));
  assert.equal(String(await honest.readFull(5)), "PROXY");
  await untrusting.abort();
  liar.abort();
});

test("a proxy that sends something else, nothing, or too little is cut off, and nobody else notices", async () => {
  const refusals: Refusal[] = [];
  let told: (() => void) | undefined;
  const onRefuse = (refusal: Refusal): void => {
    refusals.push(refusal);
    told?.();
  };
  const trusted = ["127.0.0.1"];
  const listener = await listen("tcp", "127.0.0.1:0", {
    proxyProtocol: { trusted, timeoutMs: 120_000 },
    onRefuse,
  });
  const hasty = await listen("tcp", "127.0.0.1:0", { proxyProtocol: { trusted, timeoutMs: 50 }, onRefuse });
  const fails = async (
    at: Listener<Conn>,
    send: (conn: Conn) => Promise<void>,
    code: string,
  ): Promise<void> => {
    const refusal = new Promise<void>((resolve) => {
      told = resolve;
    });
    const conn = await dial("tcp", String(at.addr));
    await send(conn);
    await refusal;
    assert.equal(refusals.at(-1)?.reason, "handshake");
    assert.equal(refusals.at(-1)?.error?.code, code);
    conn.abort();
  };
  await fails(listener, (conn) => conn.write(Buffer.from("GET / HTTP/1.1\r\n")), "bad_frame");
  await fails(hasty, (conn) => conn.write(Buffer.from("PROXY TCP4 1.2.3.4")), "timeout");
  await fails(listener, (conn) => conn.closeWrite(), "end_of_stream");
  const good = await dial("tcp", String(listener.addr));
  await good.write(Buffer.from("PROXY UNKNOWN\r\n"));
  await listener.accept();
  await Promise.all([listener.abort(), hasty.abort()]);
  good.abort();
  for (const wrong of ["localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::1/129"]) {
    await assert.rejects(listen("tcp", ":0", { proxyProtocol: { trusted: [wrong] } }), {
      code: "invalid_argument",
    });
  }
});

test("out of descriptors, a listener neither dies nor spins, and accepts again afterwards", async (t) => {
  const child = await withFewFiles(t, "few-descriptors.ts", ["ignore", "pipe", "inherit"]);
  let output = "";
  for await (const chunk of child.stdout ?? []) {
    output += String(chunk);
    const address = /^listening (\S+)\n$/.exec(output)?.[1];
    if (address === undefined) continue;
    // More than the child can take; those it cannot are ended, not left waiting.
    const conns = await Promise.all(Array.from({ length: 100 }, () => dial("tcp", address)));
    const outcomes = await Promise.all(conns.map((conn) => conn.read().catch(() => null)));
    const served = outcomes.filter((bytes) => bytes !== null).length;
    assert.ok(served > 0 && served < 100, `served ${served}`);
    for (const conn of conns) conn.abort();
    // Descriptors come back one by one as the child sees the ends.
    for (let answer: Uint8Array | null = null; answer === null; ) {
      const again = await dial("tcp", address);
      answer = await again.read().catch(() => null);
      if (answer) await again.write(Buffer.from("quit"));
      await again.close();
    }
  }
  // As the doc of `onRefuse` has it: libuv closes what cannot be taken, and says nothing.
  assert.match(output, /told of 0\ncpu low\n$/);
});
