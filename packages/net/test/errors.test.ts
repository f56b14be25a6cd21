import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Conn, dial, fromNodeStream, type Listener, listen, listenPacket, NetError } from "@zocalo/net";
import { netErrorFrom } from "../src/contracts/node-error.ts";
import type { Failure } from "./errors-elsewhere.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-errors-"));
after(() => rmSync(directory, { recursive: true }));

/** The error that `work` rejects with. */
async function failureOf(work: Promise<unknown>): Promise<NetError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof NetError, String(error));
    return error;
  }
  return assert.fail("nothing failed");
}

/** How a job of `errors-elsewhere.ts` failed, run by the command `inside` (none: just so). */
function elsewhere(inside: readonly string[], ...job: string[]): Failure[] {
  const program = fileURLToPath(new URL("./errors-elsewhere.ts", import.meta.url));
  const node = [process.execPath, "--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
  const [command = "", ...args] = [...inside, ...node, program, ...job];
  return JSON.parse(execFileSync(command, args, { encoding: "utf8", timeout: 60_000 })) as Failure[];
}

/** The first port that everybody may listen on. */
function firstFreePort(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024;
  }
}

async function pairOn(listener: Listener<Conn>): Promise<[Conn, Conn]> {
  return Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const listener = await listen("tcp", "127.0.0.1:0");
  await listener.close();
  return Number(String(listener.addr).split(":")[1]);
}

test("refused: nobody listens there, on TCP and on a stale socket file", async () => {
  const port = await freePort();
  const error = await failureOf(dial("tcp", `127.0.0.1:${port}`));
  assert.equal(error.message, `dial tcp 127.0.0.1:${port}: connection refused`);
  assert.deepEqual([error.code, error.op, error.network, error.timeout], ["refused", "dial", "tcp", false]);
  assert.equal((error.cause as { code: string }).code, "ECONNREFUSED");
  const path = join(directory, "stale.sock");
  writeFileSync(path, "");
  assert.equal((await failureOf(dial("unix", path))).code, "refused");
});

test("not_found: there is no such socket file", async () => {
  const error = await failureOf(dial("unix", join(directory, "nowhere.sock")));
  assert.deepEqual([error.code, error.op], ["not_found", "dial"]);
  const path = join(directory, "no", "such", "directory");
  const unheard = await failureOf(listen("unix", path));
  assert.deepEqual([unheard.code, unheard.op], ["not_found", "listen"]);
  assert.equal(unheard.message, `listen unix ${path}: no such directory: ${join(directory, "no", "such")}`);
});

test("address_in_use: somebody already listens there", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const error = await failureOf(listen("tcp", String(listener.addr)));
  assert.equal(error.message, `listen tcp ${String(listener.addr)}: address already in use`);
  assert.deepEqual([error.code, error.op], ["address_in_use", "listen"]);
  await listener.close();
  const path = join(directory, "twice.sock");
  const unix = await listen("unix", path);
  assert.equal((await failureOf(listen("unix", path))).code, "address_in_use");
  await unix.close();
});

test("address_not_available: it is not one of this machine, to listen on or to dial from", async () => {
  assert.equal((await failureOf(listen("tcp", "192.0.2.1:0"))).code, "address_not_available");
  const error = await failureOf(dial("tcp", "127.0.0.1:9", { localAddress: "192.0.2.1:0" }));
  assert.deepEqual([error.code, error.op], ["address_not_available", "dial"]);
  assert.match(error.message, /^dial tcp 192\.0\.2\.1:0->127\.0\.0\.1:9: /);
});

test("permission: a socket file, a directory and a port that are not ours to use", async (t) => {
  const path = join(directory, "private.sock");
  const listener = await listen("unix", path);
  chmodSync(path, process.getuid?.() === 0 ? 0o600 : 0);
  const locked = join(directory, "locked");
  mkdirSync(locked, { mode: 0o555 });
  // Root may do everything, and so becomes nobody there. That one has to find the way to the files.
  chmodSync(directory, 0o755);
  const failures = elsewhere([], "unprivileged", path, locked);
  if (firstFreePort() <= 1) {
    t.diagnostic("here everybody may listen on port 1");
    failures.splice(2);
  }
  for (const { code, message } of failures) assert.equal(code, "permission", message);
  assert.deepEqual(failures.map(({ op, cause }) => [op, cause]).slice(0, 2), [
    ["dial", "EACCES"],
    ["listen", "EACCES"],
  ]);
  assert.match(failures[0]?.message ?? "", /^dial unix .+private\.sock: permission denied$/);
  await listener.close();
});

test("name_not_found, resolver_failed and network_unreachable, as a real resolver and a real kernel say it", (t) => {
  const resolvers = join(directory, "resolv.conf");
  writeFileSync(resolvers, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  const enter = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  const root = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const inside = ["unshare", ...root, "--net", "--mount", "sh", "-c", enter, "sh", resolvers];
  const [program, ...rest] = [...inside, "true"];
  if (spawnSync(program, rest).status !== 0)
    return t.skip("this user cannot make a network namespace with a resolv.conf of its own");
  const failures = elsewhere(inside, "own-network");
  assert.deepEqual(
    failures.map(({ op, code, cause }) => `${op} ${code} ${String(cause)}`),
    [
      "dial name_not_found ENOTFOUND",
      "dial name_not_found ENOTFOUND",
      "dial resolver_failed EAI_AGAIN",
      "dial resolver_failed EAI_AGAIN",
      "dial resolver_failed EAI_AGAIN",
      "listen resolver_failed EAI_AGAIN",
      "write resolver_failed EAI_AGAIN",
      "dial network_unreachable ENETUNREACH",
      "dial network_unreachable ENETUNREACH",
      "write network_unreachable ENETUNREACH",
    ],
  );
  assert.equal(failures[0]?.message, "dial tcp nowhere.example:80: no such host");
  assert.equal(
    failures[3]?.message,
    "dial tcp nobody-answers.example:80: temporary failure in name resolution",
  );
});

test("unknown: what has no code of its own says what the system said", async () => {
  const stream = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, written) => written(Object.assign(new Error("i/o error"), { code: "EIO" })),
  });
  const error = await failureOf(fromNodeStream(stream).write(Buffer.from("a")));
  assert.deepEqual([error.code, error.op], ["unknown", "write"]);
  assert.match(error.message, /^write .*: i\/o error$/);
  assert.equal((error.cause as { code: string }).code, "EIO");
});

test("not_found: a path that goes in a circle leads nowhere", async () => {
  const [a, b] = [join(directory, "a.sock"), join(directory, "b.sock")];
  symlinkSync(a, b);
  symlinkSync(b, a);
  const error = await failureOf(dial("unix", a));
  assert.deepEqual([error.code, error.op], ["not_found", "dial"]);
  assert.match(error.message, /^dial unix .+a\.sock: too many symbolic links$/);
});

test("name_not_found: the resolver knows no such host, or none of that IP version", async () => {
  const error = await failureOf(dial("tcp", "no-such-host.invalid:80"));
  assert.ok(["name_not_found", "resolver_failed"].includes(error.code), error.code);
  assert.match(error.message, /^dial tcp no-such-host\.invalid:80: /);
  const resolver = (): Promise<string[]> => Promise.resolve(["::1"]);
  assert.equal((await failureOf(dial("tcp4", "six.example:80", { resolver }))).code, "name_not_found");
  const none = (): Promise<string[]> => Promise.resolve([]);
  assert.equal((await failureOf(dial("tcp", "none.example:80", { resolver: none }))).code, "name_not_found");
  const broken = (): Promise<string[]> =>
    Promise.reject(Object.assign(new Error("x"), { code: "EAI_AGAIN" }));
  assert.equal(
    (await failureOf(dial("tcp", "down.example:80", { resolver: broken }))).code,
    "resolver_failed",
  );
});

test("resolver_failed: a resolver that cannot ask, or does not answer with addresses", async () => {
  const saying = (answer: unknown) => () => answer as Promise<string[]>;
  const failing = (code: string) =>
    saying(Promise.reject(Object.assign(new Error(`query ${code}`), { code })));
  for (const [resolver, message] of [
    [failing("ECONNREFUSED"), /: resolver: connection refused$/], // of the name server, not of the host
    [failing("ETIMEOUT"), /: query ETIMEOUT$/],
    [saying(Promise.resolve()), /: the resolver gave undefined in place of a list of addresses$/],
  ] as const) {
    const error = await failureOf(dial("tcp", "down.example:80", { resolver }));
    assert.deepEqual([error.code, error.op], ["resolver_failed", "dial"]);
    assert.match(error.message, message);
  }
});

test("invalid_argument: what Node refuses before it asks the system", async () => {
  const error = await failureOf(dial("tcp", "127.0.0.1:9", { localAddress: "localhost:0" }));
  assert.equal(error.code, "invalid_argument", error.message);
  assert.match((error.cause as { code: string }).code, /^ERR_/);
});

test("invalid_argument: the system's buffers are as large as Node takes them, and no larger", async () => {
  for (const attempt of [
    () => listenPacket("udp", "127.0.0.1:0", { readBufferBytes: -1 }),
    () => listenPacket("udp", "127.0.0.1:0", { readBufferBytes: 2 ** 31 }),
    () => dial("udp", "127.0.0.1:9", { writeBufferBytes: 1.5 }),
  ]) {
    const error = await failureOf(attempt());
    assert.equal(error.code, "invalid_argument");
    assert.match(error.message, /is not a whole number from 1 to 2147483647$/);
  }
  const packets = await listenPacket("udp", "127.0.0.1:0", { readBufferBytes: 2 ** 31 - 1 });
  await packets.close();
});

test("not_found: a certificate's file is named", async () => {
  const certFile = join(directory, "nowhere.pem");
  const error = await failureOf(listen("tls", "127.0.0.1:0", { certFile, keyFile: certFile }));
  assert.equal(error.message, `listen tls 127.0.0.1:0: no such file or directory: ${certFile}`);
});

test("unreachable: there is no way to that network", async () => {
  // Linux: no route leads to a multicast address by TCP.
  const error = await failureOf(dial("tcp", "224.0.0.1:80", { deadline: Date.now() + 60_000 }));
  assert.ok(["network_unreachable", "host_unreachable"].includes(error.code), error.message);
});

test("timeout and canceled: a dial that nobody answers", async () => {
  const resolver = (): Promise<string[]> => new Promise(() => {});
  const timedOut = await failureOf(dial("tcp", "slow.example:80", { resolver, deadline: Date.now() + 10 }));
  assert.deepEqual([timedOut.code, timedOut.timeout, timedOut.op], ["timeout", true, "dial"]);
  assert.equal((await failureOf(dial("tcp", "127.0.0.1:1", { deadline: Date.now() - 1 }))).code, "timeout");
  const signal = AbortSignal.abort("no more");
  const canceled = await failureOf(dial("tcp", "127.0.0.1:1", { signal }));
  assert.deepEqual([canceled.code, canceled.cause], ["canceled", "no more"]);
  const controller = new AbortController();
  const waiting = failureOf(dial("tcp", "slow.example:80", { resolver, signal: controller.signal }));
  controller.abort();
  assert.equal((await waiting).code, "canceled");
  assert.equal((await failureOf(listen("tcp", ":0", { signal }))).code, "canceled");
});

test("reset, broken_pipe and closed print both ends", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [client, server] = await pairOn(listener);
  const route = `${String(client.localAddr)}->${String(client.remoteAddr)}`;
  server.abort();
  const reset = await failureOf(client.read());
  assert.equal(reset.message, `read tcp ${route}: connection reset by peer`);
  assert.deepEqual([reset.code, reset.op], ["reset", "read"]);

  const [other] = await pairOn(listener);
  await other.close();
  const closed = await failureOf(other.write(Buffer.from("x")));
  const otherRoute = `${String(other.localAddr)}->${String(other.remoteAddr)}`;
  assert.equal(closed.message, `write tcp ${otherRoute}: use of closed connection`);
  await listener.abort();

  const unix = await listen("unix", join(directory, "pipe.sock"));
  const [a, b] = await Promise.all([dial("unix", String(unix.addr)), unix.accept()]);
  b.abort();
  const broken = await failureOf(
    (async () => {
      for (;;) await a.write(Buffer.alloc(1000));
    })(),
  );
  assert.ok(["broken_pipe", "reset"].includes(broken.code), broken.code);
  await unix.abort();
});

test("close gives up on a peer that does not read, after its time", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [client, server] = await Promise.all([
    dial("tcp", String(listener.addr), { closeTimeoutMs: 30 }),
    listener.accept(),
  ]);
  // Fills the buffers of the system until the rest has to wait.
  client.setWriteDeadline(Date.now() + 50);
  await failureOf(client.write(Buffer.alloc(64 * 1024 * 1024)));
  const error = await failureOf(client.close());
  assert.deepEqual([error.code, error.op], ["timeout", "close"]);
  await failureOf(
    (async () => {
      for (;;) assert.notEqual(await server.read(), null);
    })(),
  );
  await listener.abort();
});

test("what Node says is given one stable code, and nothing is wrapped twice", () => {
  const codes: [string, string][] = [
    ["EPIPE", "broken_pipe"],
    ["ETIMEDOUT", "timeout"],
    ["EHOSTUNREACH", "host_unreachable"],
    ["ENETUNREACH", "network_unreachable"],
    ["EMFILE", "too_many_files"],
    ["ENFILE", "too_many_files"],
    ["EMSGSIZE", "too_large"],
    ["ENOBUFS", "no_room"],
    ["ENOMEM", "no_room"],
    ["ECANCELED", "closed"],
    ["EBADF", "closed"],
    ["ERR_SOCKET_DGRAM_NOT_RUNNING", "closed"],
    ["ERR_INVALID_ARG_VALUE", "invalid_argument"],
    ["ERR_STREAM_DESTROYED", "closed"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "tls"],
    ["CERT_HAS_EXPIRED", "tls"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
    ["EWHATEVER", "unknown"],
    ["constructor", "unknown"],
  ];
  for (const [code, expected] of codes) {
    const cause = Object.assign(new Error("x"), { code });
    const error = netErrorFrom(cause, { op: "read" });
    assert.deepEqual([error.code, error.cause], [expected, cause], code);
    assert.equal(netErrorFrom(error, { op: "write" }), error);
  }
  for (const odd of [undefined, null, "text", 5, {}])
    assert.equal(netErrorFrom(odd, { op: "read" }).code, "unknown");
});
