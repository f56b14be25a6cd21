// Listening on sockets that the process was started with: by systemd's own starter, and by Python.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { TestCertificates } from "@zocalo/integrity";
import { dial, inheritedSockets, listen, splitHostPort } from "@zocalo/net";

const directory = mkdtempSync(join(tmpdir(), "zocalo-inherited-"));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, "s");
const program = fileURLToPath(new URL("inherited-server.ts", import.meta.url));
const server = [process.execPath, "--conditions=zocalo-source", "--import", "tsx", program];
const pid = String(process.pid);
const skip = process.platform === "win32" && "Windows has no such descriptors";

/** Binds a TCP and a Unix socket as descriptors 3 and 4, says the port, and becomes the server. */
const STARTER = `
import os, socket, sys
tcp = socket.socket(); tcp.bind(("127.0.0.1", 0)); tcp.listen()
unix = socket.socket(socket.AF_UNIX); unix.bind(sys.argv[1]); unix.listen()
print(tcp.getsockname()[1], flush=True)
first, second = os.dup(tcp.fileno()), os.dup(unix.fileno())
a, b = os.dup(first), os.dup(second)
os.dup2(a, 3, inheritable=True); os.dup2(b, 4, inheritable=True)
pid = os.getpid() + int(sys.argv[2])
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(pid), LISTEN_FDNAMES="web:chat")
os.execvp(sys.argv[3], sys.argv[3:])
`;

function linesOf(child: ChildProcessWithoutNullStreams): () => Promise<string> {
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => String((await lines.next()).value);
}

async function echoes(network: "tcp" | "unix", address: string): Promise<void> {
  const conn = network === "tcp" ? await dial("tcp", address) : await dial("unix", address);
  await conn.write(Buffer.from("hola"));
  assert.equal(String(await conn.readFull(4)), "hola");
  await conn.close();
}

test("a process takes the sockets it was started with, by their names, and leaves the file", {
  skip,
}, async () => {
  const child = spawn("python3", ["-c", STARTER, path, "0", ...server, "tcp,unix"]);
  const line = linesOf(child);
  const port = await line();
  assert.equal(await line(), `3 web 127.0.0.1:${port}`);
  assert.equal(await line(), `4 chat ${process.platform === "linux" ? path : ""}`);
  assert.equal(await line(), "ready");
  await echoes("tcp", `127.0.0.1:${port}`);
  await echoes("unix", path);
  child.stdin.end();
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 0);
  assert.ok(existsSync(path), "the file is whose that made it");
  rmSync(path);
});

test("TLS is spoken on a TCP socket that it was started with, and a path may have spaces", {
  skip,
}, async () => {
  const spaced = join(directory, "a socket");
  const certificates = new TestCertificates();
  after(() => certificates.remove());
  const { certFile, keyFile } = certificates.issue("localhost", ["localhost"]);
  const child = spawn("python3", ["-c", STARTER, spaced, "0", ...server, "tls,unix", certFile, keyFile]);
  const line = linesOf(child);
  const port = await line();
  assert.equal(await line(), `3 web 127.0.0.1:${port}`);
  assert.equal(await line(), `4 chat ${process.platform === "linux" ? spaced : ""}`);
  const conn = await dial("tls", `localhost:${port}`, { ca: certificates.ca.cert });
  assert.equal(conn.tls?.isAuthorized, true);
  assert.equal(String(conn.remoteAddr), `127.0.0.1:${port}`);
  await conn.write(Buffer.from("hola"));
  assert.equal(String(await conn.readFull(4)), "hola");
  await conn.close();
  child.stdin.end();
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 0);
  rmSync(spaced);
});

test("sockets that were meant for another process are left alone", { skip }, async () => {
  const child = spawn("python3", ["-c", STARTER, path, "1", ...server, "tcp,unix"]);
  const line = linesOf(child);
  await line();
  assert.equal(await line(), "ready");
  child.stdin.end();
  await once(child, "exit");
  rmSync(path);
});

test("a socket of another network is refused, and closed", { skip }, async () => {
  for (const [networks, message] of [
    ["unix,unix", /fd 3 is a TCP socket, and no "unix"/],
    ["tcp,tcp", /fd 4 is a Unix socket, and no "tcp"/],
  ] as const) {
    const child = spawn("python3", ["-c", STARTER, path, "0", ...server, networks]);
    let said = "";
    child.stderr.on("data", (bytes) => (said += String(bytes)));
    child.stdout.resume();
    await once(child, "close");
    assert.match(said, message);
    rmSync(path);
  }
});

/** Gives the server, as descriptor 3, a connection or a socket of datagrams. */
const UNFIT_STARTER = `
import os, socket, sys
listening = socket.socket(); listening.bind(("127.0.0.1", 0)); listening.listen()
os.set_inheritable(os.dup(listening.fileno()), True)
unfit = {
    "tcp": lambda: socket.create_connection(listening.getsockname()),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix": lambda: socket.socketpair()[0],
}[sys.argv[1]]()
os.dup2(unfit.fileno(), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
`;

test("a connection (Accept=yes) or a socket of datagrams is refused by what it is", { skip }, async () => {
  for (const [socket, network] of [
    ["tcp", "tcp"],
    ["udp", "tcp"],
    ["unix", "unix"],
  ] as const) {
    const child = spawn("python3", ["-c", UNFIT_STARTER, socket, ...server, network]);
    let said = "";
    child.stderr.on("data", (bytes) => (said += String(bytes)));
    child.stdout.resume();
    await once(child, "close");
    assert.match(said, /fd 3 cannot listen: it is a connection \(Accept=yes\), or of datagrams/, socket);
  }
});

const hasSystemd = spawnSync("which", ["systemd-socket-activate"]).status === 0;
const noSystemd = !hasSystemd && "systemd-socket-activate is not installed";
test("systemd-socket-activate starts it at the first connection, which is served", {
  skip: noSystemd,
}, async () => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const address = free.address();
  assert.ok(address !== null && typeof address === "object");
  free.close();
  await once(free, "close");
  const where = `127.0.0.1:${address.port}`;
  const child = spawn("systemd-socket-activate", [
    "-l",
    where,
    "-l",
    path,
    "--fdname=web:chat",
    ...server,
    "tcp,unix",
  ]);
  child.stderr.setEncoding("utf8");
  let said = "";
  const isListening = new Promise<void>((resolve) => {
    child.stderr.on("data", (text: string) => {
      said += text;
      if (said.includes(`Listening on ${path}`)) resolve();
    });
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await isListening;
  await echoes("tcp", where);
  assert.equal((await lines.next()).value, `3 web ${where}`);
  assert.equal((await lines.next()).value, `4 chat ${path}`);
  await echoes("unix", path);
  child.stdin.end();
  await once(child, "exit");
  rmSync(path, { force: true });
});

test("the environment is read as sd_listen_fds_with_names(3) has it", () => {
  const of = (env: object) => inheritedSockets({ LISTEN_PID: pid, ...env });
  assert.deepEqual(inheritedSockets({}), []);
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ LISTEN_FDS: "0", LISTEN_FDNAMES: "" }), []);
  assert.deepEqual(of({ LISTEN_FDS: "1", LISTEN_PID: "1" }), []);
  assert.deepEqual(inheritedSockets({ LISTEN_FDS: "1" }), []);
  assert.deepEqual(of({ LISTEN_FDS: "2" }), [
    { fd: 3, name: "unknown" },
    { fd: 4, name: "unknown" },
  ]);
  assert.deepEqual(of({ LISTEN_FDS: "2", LISTEN_FDNAMES: "a:" }), [
    { fd: 3, name: "a" },
    { fd: 4, name: "unknown" },
  ]);
  assert.equal(of({ LISTEN_FDS: "1024" }).length, 1024);
  for (const [env, message] of [
    [{ LISTEN_FDS: "1025" }, /LISTEN_FDS "1025" is not a number from 0 to 1024/],
    [{ LISTEN_FDS: "-1" }, /LISTEN_FDS "-1" is not a number/],
    [{ LISTEN_FDS: "1e3" }, /LISTEN_FDS "1e3" is not a number/],
    [{ LISTEN_FDS: "" }, /LISTEN_FDS "" is not a number/],
    [{ LISTEN_FDS: "2", LISTEN_FDNAMES: "a" }, /LISTEN_FDNAMES "a" has 1 names for 2 sockets/],
  ] as const) {
    assert.throws(() => of(env), { code: "invalid_argument", message });
  }
});

test("a text is an address, whatever it looks like, and opens no descriptor", async () => {
  assert.deepEqual(splitHostPort("fd:3"), { host: "fd", port: "3" });
  await assert.rejects(listen("tcp", "fd:3"), { code: /^name_/ });
  for (const text of ["3", "/dev/fd/3", "fd/3", "systemd", '{"fd":3}']) {
    await assert.rejects(listen("tcp", text), { code: "invalid_address" });
  }
});

test("what is no socket, or an option that would do nothing, is refused", { skip }, async () => {
  const file = openSync(program, "r");
  const refused = (message: RegExp) => ({ code: "invalid_argument", message });
  await assert.rejects(listen("tcp", { fd: file }), refused(/fd \d+ is not a socket/));
  closeSync(file);
  await assert.rejects(listen("unix", { fd: 2 ** 30 }), refused(/is not a socket/));
  for (const fd of [2, -1, 3.5, "3", undefined]) {
    const socket = { fd } as { fd: number };
    await assert.rejects(listen("tcp", socket), refused(/is not a descriptor of at least 3/));
  }
  const misspelt: object = { fd: 3, nam: "web" };
  await assert.rejects(
    listen("tcp", misspelt as { fd: number }),
    refused(/has no option "nam"; it has fd, name/),
  );
  await assert.rejects(
    listen("tcp", { fd: 3 }, { ipv6Only: true }),
    refused(/ipv6Only is said when a socket is made/),
  );
  await assert.rejects(
    listen("unix", { fd: 3 }, { mode: 0o600 }),
    refused(/mode is said when a socket is made/),
  );
  const nothing = null as unknown as string;
  await assert.rejects(listen("tcp", nothing), { code: "invalid_address" });
  const four = "tcp4" as "tcp";
  await assert.rejects(listen(four, { fd: 3 }), refused(/use "tcp", not "tcp4"/));
});

test("a descriptor that is listened on already is refused, and goes on to listen", { skip }, async () => {
  const first = createServer((socket) => socket.end("hola")).listen(0, "127.0.0.1");
  await once(first, "listening");
  const { fd } = Reflect.get(first, "_handle") as { fd: number };
  const message = /^listen tcp :0: already in use in this process$/;
  await assert.rejects(listen("tcp", { fd }), { code: "address_in_use", message });
  const { port } = first.address() as AddressInfo;
  const conn = await dial("tcp", `127.0.0.1:${port}`);
  assert.equal(String(await conn.read()), "hola");
  await conn.close();
  first.close();
});
