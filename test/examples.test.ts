import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { TestCertificates } from "@zocalo/integrity";
import { WebSocket } from "ws";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = join(root, "examples/src");
const ANY_PORT = "127.0.0.1:0";
type Signal = "SIGINT" | "SIGTERM";

/** A program of `examples/`, in a process of its own. */
interface Example extends AsyncDisposable {
  readonly port: number;
  /** The line it begins with, if that is another one. */
  readonly firstLine: string;
  /** Sends it a signal. Resolves with its exit code, or with the signal that killed it, once it is gone. */
  end(signal: Signal): Promise<number | string | null>;
  /** Resolves with the next line it writes to its standard error. */
  complaint(): Promise<string>;
  /** Resolves with the next line it writes to its standard output. */
  said(): Promise<string>;
}

/** Starts a program, and waits until it says where it listens. */
async function start(name: string, ...args: string[]): Promise<Example> {
  const node = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
  const child: ChildProcess = spawn(process.execPath, [...node, join(directory, name), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null, string | null]>;
  const { stdout, stderr } = child;
  assert.ok(stdout && stderr);
  const complaints = createInterface(stderr)[Symbol.asyncIterator]();
  let firstLine: string | undefined;
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  for (;;) {
    const { value: line, done } = await lines.next();
    if (done) break;
    firstLine ??= line;
    const [, port] = /^listening on .*:(\d+)$/.exec(line) ?? [];
    if (port === undefined) continue;
    return {
      port: Number(port),
      firstLine,
      async end(signal) {
        child.kill(signal);
        const [code, killedBy] = await exited;
        return killedBy ?? code;
      },
      complaint: async () => String((await complaints.next()).value),
      said: async () => String((await lines.next()).value),
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await exited;
      },
    };
  }
  throw new Error(`${name} ended without listening: ${String((await complaints.next()).value)}`);
}

/** A plain TCP client, which knows nothing of this project. */
class Client {
  readonly socket: Socket;
  #text = "";
  #isOver = false;
  #wake = (): void => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined); // Told by "close", which follows.
    socket.on("data", (bytes) => {
      this.#text += bytes.toString();
      this.#wake();
    });
    socket.on("close", () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<Client> {
    const client = new Client(connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    await once(client.socket, "connect");
    return client;
  }

  /** Takes the next line. */
  async line(): Promise<string> {
    while (!this.#text.includes("\n")) await this.#more();
    const at = this.#text.indexOf("\n");
    const line = this.#text.slice(0, at);
    this.#text = this.#text.slice(at + 1);
    return line;
  }

  /** Takes what comes until the connection is over. */
  async rest(): Promise<string> {
    while (!this.#isOver) await this.#next();
    return this.#text;
  }

  async #more(): Promise<void> {
    if (this.#isOver) throw new Error(`the program ended the connection after ${JSON.stringify(this.#text)}`);
    await this.#next();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

/** A client of `ws` and what it is sent. */
async function websocket(url: string): Promise<{ socket: WebSocket; next(): Promise<string> }> {
  const socket = new WebSocket(url);
  const messages: string[] = [];
  let wake = (): void => undefined;
  socket.on("message", (data: Buffer) => {
    messages.push(data.toString());
    wake();
  });
  await once(socket, "open");
  return {
    socket,
    async next() {
      while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return messages.shift() ?? "";
    },
  };
}

/** The TCP socket beneath a client of `ws`, which has no name for it. */
function reset(socket: WebSocket): void {
  socket.on("error", () => undefined);
  (Reflect.get(socket, "_socket") as Socket).resetAndDestroy();
}

test("the table names every program there is", () => {
  const table = readFileSync(join(root, "examples/README.md"), "utf8");
  const named = [...table.matchAll(/^\| \[([\w-]+\.ts)\]\(src\/\1\)/gm)].map(([, name]) => String(name));
  assert.deepEqual(named.sort(), readdirSync(directory).sort());
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`echo server: echoes, outlives a reset, and at ${signal} finishes who is there`, async () => {
    await using server = await start("echo-server.ts", ANY_PORT);
    const broken = await Client.connect(server.port);
    broken.socket.write("hola\n");
    assert.equal(await broken.line(), "hola");
    broken.socket.resetAndDestroy();
    assert.match(await server.complaint(), /connection reset by peer/);
    const whole = await Client.connect(server.port);
    const text = `${"0123456789".repeat(100_000)}\n`;
    whole.socket.write(text);
    assert.equal(await whole.line(), text.trimEnd());
    const ending = server.end(signal);
    whole.socket.end("last");
    assert.equal(await whole.rest(), "last");
    assert.equal(await ending, 0);
    await assert.rejects(Client.connect(server.port), { code: "ECONNREFUSED" });
  });
}

test("echo server: who stays after SIGTERM is cut when the time is over", async () => {
  await using server = await start("echo-server.ts", ANY_PORT);
  const client = await Client.connect(server.port);
  client.socket.write("hola\n");
  await client.line();
  assert.equal(await server.end("SIGTERM"), 0);
  assert.equal(await client.rest(), "");
});

test("line chat: lines go to the others, escaped; who resets has left; at the end all are told", async () => {
  await using server = await start("line-chat.ts", ANY_PORT);
  const join = async (name: string): Promise<Client> => {
    const client = await Client.connect(server.port);
    assert.equal(await client.line(), "Your name?");
    client.socket.write(`${name}\n`);
    return client;
  };
  const ana = await join("Ana");
  assert.equal(await ana.line(), "* Ana is here");
  const luis = await join("L\x1b[2J");
  assert.equal(await ana.line(), "* L\\x1b[2J is here");
  assert.equal(await luis.line(), "* L\\x1b[2J is here");
  luis.socket.write("hola\nred \x1b[31mtext\n");
  assert.equal(await ana.line(), "L\\x1b[2J: hola");
  assert.equal(await ana.line(), "L\\x1b[2J: red \\x1b[31mtext");
  ana.socket.write("qué tal\n");
  assert.equal(await luis.line(), "Ana: qué tal"); // Not its own lines.
  luis.socket.resetAndDestroy();
  assert.equal(await ana.line(), "* L\\x1b[2J has left");
  const long = await join("Long");
  assert.equal(await ana.line(), "* Long is here");
  long.socket.write("x".repeat(1_001));
  assert.equal(await ana.line(), "* Long has left");
  const ending = server.end("SIGTERM");
  assert.equal(await ana.line(), "* the chat is closing");
  ana.socket.end();
  assert.equal(await ending, 0);
});

test("port forwarder: both directions and their ends pass; a reset passes, too, and ends nothing else", async () => {
  const peers: Socket[] = [];
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => socket.write(bytes.toString().toUpperCase()));
    socket.on("end", () => socket.end("over"));
    peers.push(socket);
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const { port } = target.address() as { port: number };
  await using forwarder = await start("port-forwarder.ts", ANY_PORT, `127.0.0.1:${port}`);
  const open = async (): Promise<[Client, Socket]> => {
    const client = await Client.connect(forwarder.port);
    client.socket.write("hola\n");
    assert.equal(await client.line(), "HOLA");
    const peer = peers.at(-1);
    assert.ok(peer);
    return [client, peer];
  };
  const [near, nearPeer] = await open();
  // `once` would reject with the reset.
  const told = new Promise((resolve) => nearPeer.once("close", resolve));
  near.socket.resetAndDestroy();
  await told;
  const [far, farPeer] = await open();
  farPeer.resetAndDestroy();
  assert.equal(await far.rest(), "");
  const [client] = await open();
  const ending = forwarder.end("SIGINT");
  client.socket.end(); // Half a close: the answer still comes.
  assert.equal(await client.rest(), "over");
  assert.equal(await ending, 0);
  target.close();
});

test("port forwarder: without anybody at the target the client is reset, and the next is served", async () => {
  const target = createServer((socket) => socket.end("here\n"));
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const { port } = target.address() as { port: number };
  await using forwarder = await start("port-forwarder.ts", ANY_PORT, `127.0.0.1:${port}`);
  target.close();
  await once(target, "close");
  const client = await Client.connect(forwarder.port);
  assert.equal(await client.rest(), "");
  assert.match(await forwarder.complaint(), /dial tcp 127\.0\.0\.1:\d+: connection refused/);
  target.listen(port, "127.0.0.1");
  await once(target, "listening");
  assert.equal(await (await Client.connect(forwarder.port)).line(), "here");
  assert.equal(await forwarder.end("SIGTERM"), 0);
  target.close();
});

/** `openssl s_client`, which begins TLS by STARTTLS and then passes on what it is told. */
class MailClient {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly ended: Promise<unknown>;

  constructor(port: number, caFile: string) {
    const where = [
      "-connect",
      `127.0.0.1:${port}`,
      "-servername",
      "localhost",
      "-verify_hostname",
      "localhost",
    ];
    const trust = ["-CAfile", caFile, "-verify_return_error", "-quiet", "-crlf"];
    this.#child = spawn("openssl", ["s_client", "-starttls", "smtp", ...where, ...trust], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.ended = once(this.#child, "exit");
    assert.ok(this.#child.stdout);
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  say(...lines: string[]): void {
    this.#child.stdin?.write(lines.map((line) => `${line}\n`).join(""));
  }

  async line(): Promise<string> {
    return String((await this.#lines.next()).value);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

test("STARTTLS server: takes mail under TLS and no other, and nothing that stood behind STARTTLS", async () => {
  const certificates = new TestCertificates();
  try {
    const { certFile, keyFile } = certificates.issue("mail", ["localhost"]);
    await using server = await start("starttls-server.ts", ANY_PORT, certFile, keyFile);
    const clear = await Client.connect(server.port);
    assert.equal(await clear.line(), "220 mail.example ESMTP\r");
    clear.socket.write("MAIL FROM:<ana@example.org>\r\n");
    assert.equal(await clear.line(), "530 5.7.0 begin with STARTTLS\r");
    clear.socket.write("STARTTLS\r\nMAIL FROM:<mallory@example.org>\r\n");
    assert.equal(await clear.line(), "503 5.5.1 nothing may follow STARTTLS\r");
    assert.match(await server.complaint(), /\d+ bytes that came before are unread/);
    clear.socket.end();
    assert.equal(await clear.rest(), "");

    const client = new MailClient(server.port, certificates.ca.certFile);
    client.say("EHLO there"); // As every client does: what it was told in the clear counts no more.
    assert.deepEqual([await client.line(), await client.line()], ["250-mail.example", "250 SIZE 100000"]);
    client.say("DATA");
    assert.equal(await client.line(), "503 5.5.1 not now, or not here");
    client.say("MAIL FROM:<ana@example.org>", "RCPT TO:<luis@example.org>", "DATA");
    for (const code of ["250 2.1.0", "250 2.1.5", "354"]) {
      const line = await client.line();
      assert.ok(line.startsWith(`${code} `), line);
    }
    client.say("hola", "..", ".");
    assert.equal(await client.line(), "250 2.0.0 taken");
    // "hola" and ".", each with its CRLF.
    const taken = "mail from <ana@example.org> to <luis@example.org>: 9 characters by TLSv1.3";
    assert.equal(await server.said(), taken);
    const broken = await Client.connect(server.port);
    await broken.line();
    broken.socket.resetAndDestroy();
    assert.match(await server.complaint(), /connection reset by peer/);
    const ending = server.end("SIGTERM");
    client.say("quit");
    assert.equal(await client.line(), "221 2.0.0 bye");
    assert.equal(await ending, 0);
    client.kill();
    await client.ended;
  } finally {
    certificates.remove();
  }
});

test("WebSocket behind Express: page, status and chat on one port; a reset leaves; 1001 at the end", async () => {
  await using server = await start("websocket-express.ts", "0");
  const url = `http://127.0.0.1:${server.port}`;
  const page = await fetch(url);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(await page.text(), /new WebSocket\("\/chat"\)/);
  assert.equal((await fetch(`${url}/nowhere`)).status, 404);
  const members = async (): Promise<unknown> => (await fetch(`${url}/status`)).json();
  const ana = await websocket(`ws://127.0.0.1:${server.port}/chat`);
  const luis = await websocket(`ws://127.0.0.1:${server.port}/chat`);
  ana.socket.send("hola");
  assert.deepEqual([await ana.next(), await luis.next()], ["hola", "hola"]);
  assert.deepEqual(await members(), { members: 2 });
  reset(luis.socket);
  await once(luis.socket, "close");
  ana.socket.send("still here");
  assert.equal(await ana.next(), "still here");
  for (const [path, origin, status] of [
    ["/elsewhere", undefined, 404],
    ["/chat", "https://evil.example", 403],
  ] as const) {
    const refused = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { ...(origin && { origin }) });
    const [error] = (await once(refused, "error")) as [Error];
    assert.match(error.message, new RegExp(String(status)));
  }
  const closed = once(ana.socket, "close") as Promise<[number]>;
  const ending = server.end("SIGTERM");
  assert.equal((await closed)[0], 1001);
  assert.equal(await ending, 0);
});

test("UDP telemetry: measurements are confirmed and counted, with what is missing and what is nonsense", async () => {
  await using server = await start("udp-telemetry.ts", ANY_PORT, ANY_PORT);
  const [, udpPort] = /:(\d+)$/.exec(server.firstLine) ?? [];
  const device = createSocket("udp4");
  device.connect(Number(udpPort), "127.0.0.1");
  await once(device, "connect");
  const say = async (text: string): Promise<string> => {
    const answered = once(device, "message") as Promise<[Buffer]>;
    device.send(text);
    const [answer] = await answered;
    assert.ok(answer.length < text.length, "an answer is shorter than its question");
    return answer.toString();
  };
  const measure = (number: number, value: number): Promise<string> =>
    say(JSON.stringify({ device: "oven", number, value }));
  // In order on one socket: when the measurement behind them is confirmed, these have been looked at.
  for (const nonsense of ["", "{", "null", "[]", '{"device":1,"number":1,"value":1}', '{"device":"x"}']) {
    device.send(nonsense);
  }
  assert.equal(await measure(1, 180), "ok 1");
  assert.equal(await measure(5, 200), "ok 5"); // 2, 3 and 4 are missing …
  assert.equal(await measure(3, 190), "ok 3"); // … and 3 was only late.
  assert.equal(await measure(5, 200), "ok 5"); // Sent again.
  const report = async (): Promise<unknown[]> => {
    const reader = await Client.connect(server.port);
    reader.socket.end();
    const lines = (await reader.rest()).trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line) as unknown);
  };
  const expected = [
    { device: "oven", number: 5, value: 200, received: 3, missing: 2 },
    { malformed: 6, dropped: 0 },
  ];
  assert.deepEqual(await report(), expected);
  (await Client.connect(server.port)).socket.resetAndDestroy();
  assert.deepEqual(await report(), expected);
  assert.equal(await server.end("SIGINT"), 0);
  device.close();
});

test("game loop: all see who moves, in steps; a reset removes a player; 1001 at the end", async () => {
  interface State {
    readonly step: number;
    readonly players: readonly { id: number; x: number; y: number }[];
  }
  await using server = await start("game-loop.ts", ANY_PORT);
  const url = `ws://127.0.0.1:${server.port}`;
  const ana = await websocket(url);
  const luis = await websocket(url);
  const [me, other] = [JSON.parse(await ana.next()), JSON.parse(await luis.next())] as { you: number }[];
  assert.deepEqual([me, other], [{ you: 1 }, { you: 2 }]);
  /** The first state that is as wanted. */
  const state = async (player: typeof ana, isWanted: (state: State) => boolean): Promise<State> => {
    for (;;) {
      const message = JSON.parse(await player.next()) as State;
      if (isWanted(message)) return message;
    }
  };
  ana.socket.send("right");
  ana.socket.send("nonsense");
  const seen = await state(luis, ({ players }) => (players[0]?.x ?? 0) > 50);
  const later = await state(luis, ({ step }) => step > seen.step);
  const moved = (later.players[0]?.x ?? 0) - (seen.players[0]?.x ?? 0);
  assert.equal(moved, later.step - seen.step, "one place for each step");
  assert.deepEqual(later.players[1], { id: 2, x: 50, y: 50 });
  reset(luis.socket);
  await state(ana, ({ players }) => players.length === 1);
  const stays = await state(ana, ({ players }) => players[0]?.x === 100); // The edge of the world.
  const next = await state(ana, ({ step }) => step > stays.step);
  assert.equal(next.players[0]?.x, 100);
  const closed = once(ana.socket, "close") as Promise<[number]>;
  const ending = server.end("SIGINT");
  assert.equal((await closed)[0], 1001);
  assert.equal(await ending, 0);
});
