// Peers that do to an example's server what strangers do.
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket, type SocketConnectOpts } from "node:net";

/**
 * How long a peer waits for an answer that an example may not give, in milliseconds. No verdict hangs on it.
 */
const PATIENCE_MS = 40;
/** RFC 6455 §1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

function upgrade(changes: Record<string, string | undefined> = {}, path = "/ws"): string {
  const headers: Record<string, string | undefined> = {
    Host: "127.0.0.1",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    Authorization: "Bearer sesame",
    ...changes,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}: ${value}\r\n`,
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** A text frame with a mask of zeros (RFC 6455 §5.2). */
function text(payload: string): Buffer {
  const body = Buffer.from(payload);
  return Buffer.concat([Buffer.of(0x81, 0x80 | body.length, 0, 0, 0, 0), body]);
}

/** Frames that break the protocol, and one that is cut off. */
const BAD_FRAMES: Record<string, Buffer> = {
  "garbage frames": Buffer.alloc(64, 0xff),
  "a frame without a mask": Buffer.of(0x81, 1, 0x61),
  "text that is not UTF-8": Buffer.of(0x81, 0x81, 0, 0, 0, 0, 0xff),
  "a frame past every limit": Buffer.of(
    0x82,
    0xff,
    0x7f,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
  ),
  "half a frame": Buffer.of(0x81, 0xfe, 0x10, 0, 0),
};

const REQUESTS: Record<string, string> = {
  "no request": "\0\x01\x02\r\n\r\n",
  "a malformed request": "GET\r\n\r\n",
  "a version that is none": "GET /ws HTTP/9.9\r\n\r\n",
  "half a request": "GET /ws HTTP/1.1\r\nHost",
  "a bad key": upgrade({ "Sec-WebSocket-Key": "no" }),
  "no key": upgrade({ "Sec-WebSocket-Key": undefined }),
  "another version": upgrade({ "Sec-WebSocket-Version": "8" }),
  "another page": upgrade({ Origin: "https://evil.example" }),
  "another path": upgrade({}, "/\\%zz?#"),
};

type Attack = (open: () => Promise<Socket>) => Promise<void>;

const attacks: Record<string, Attack> = {
  "resets at once": async (open) => reset(await open()),
  "sends and resets": async (open) => {
    const socket = await open();
    await sent(socket, "hola\n");
    await reset(socket);
  },
  "asks, and resets as the answer comes": async (open) => {
    const socket = await open();
    socket.write("hola\n");
    await answer(socket);
    await reset(socket);
  },
  "half-closes at once": async (open) => finish((await open()).end()),
  "half-closes behind its question": async (open) => finish((await open()).end("hola\n")),
  "half-closes and resets": async (open) => {
    const socket = await open();
    await new Promise((resolve) => void socket.end("hola\n", () => resolve(undefined)));
    await reset(socket);
  },
  "takes nothing of what it asked for, and resets": async (open) => {
    const socket = await open();
    socket.write("hola\n".repeat(400_000));
    await answer(socket);
    await reset(socket);
  },
  "closes with bytes unread": async (open) => {
    const socket = await open();
    socket.write("hola\n".repeat(1000));
    await answer(socket);
    await closed(socket.destroy());
  },
};
for (const [name, request] of Object.entries(REQUESTS)) {
  attacks[name] = async (open) => {
    const socket = await open();
    socket.write(request);
    await answer(socket);
    await closed(socket.destroy());
  };
}
for (const path of ["/", "/ws"]) {
  attacks[`upgrades ${path} and resets`] = async (open) => {
    const socket = await open();
    await sent(socket, upgrade({}, path));
    await reset(socket);
  };
  attacks[`upgrades ${path}, asks and ends without a word`] = async (open) => {
    const socket = await open();
    socket.write(upgrade({}, path));
    socket.write(text("hola"));
    await answer(socket);
    await finish(socket.end());
  };
  attacks[`upgrades ${path}, asks and resets`] = async (open) => {
    const socket = await open();
    socket.write(upgrade({}, path));
    for (let count = 0; count < 2000; count++) socket.write(text("hola"));
    await answer(socket);
    await reset(socket);
  };
  for (const [name, frame] of Object.entries(BAD_FRAMES)) {
    attacks[`upgrades ${path} and sends ${name}`] = async (open) => {
      const socket = await open();
      socket.write(upgrade({}, path));
      await answer(socket);
      socket.write(frame);
      await finish(socket.end());
    };
  }
}

/** Does all of it, to whatever listens there. */
export async function attackStream(target: SocketConnectOpts): Promise<void> {
  await Promise.all(Object.values(attacks).map((attack) => attack(() => open(target))));
}

/** Those of the attacks that come one at a time. */
export const STRANGERS: readonly string[] = [
  "resets at once",
  "sends and resets",
  "half-closes at once",
  "half-closes and resets",
  "takes nothing of what it asked for, and resets",
  "closes with bytes unread",
  "a malformed request",
  "upgrades /ws and resets",
  "upgrades /ws, asks and ends without a word",
  "upgrades /ws, asks and resets",
  "upgrades /ws and sends garbage frames",
  "upgrades /ws and sends half a frame",
];

/** Comes as one of `STRANGERS`. The system knows of it before whoever dials after this call. */
export async function visit(stranger: string, target: SocketConnectOpts): Promise<void> {
  const attack = attacks[stranger];
  if (attack === undefined) throw new Error(`nobody attacks so: ${stranger}`);
  await attack(() => open(target));
}

async function open(target: SocketConnectOpts): Promise<Socket> {
  const socket = connect({ ...target, allowHalfOpen: true });
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => undefined);
  return socket;
}

/** Empty datagrams, garbage, the largest, from a port that is closed at once, and, as root, from port 0. */
export async function attackDatagrams(port: number): Promise<void> {
  const socket = createSocket("udp4");
  for (const bytes of [
    Buffer.alloc(0),
    randomBytes(64),
    Buffer.alloc(65_507),
    Buffer.from("{\n"),
    randomBytes(1200),
  ]) {
    for (let count = 0; count < 3; count++) {
      await new Promise((resolve) => socket.send(bytes, port, "127.0.0.1", resolve));
    }
  }
  await new Promise((resolve) => socket.close(() => resolve(undefined)));
  forgePort0(port);
}

/** Sends an empty datagram, garbage and a word. `onAnswer` is called for each that comes back. */
export async function visitDatagrams(port: number, onAnswer: () => void): Promise<void> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1").on("message", onAnswer).unref();
  for (const bytes of [Buffer.alloc(0), randomBytes(64), Buffer.from("hola")]) {
    await new Promise((resolve) => socket.send(bytes, port, "127.0.0.1", resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  await new Promise((resolve) => socket.close(() => resolve(undefined)));
}

/**
 * Sends a datagram whose source is port 0, to which nobody can answer. Needs root and Python; without them
 * nothing is sent.
 */
function forgePort0(port: number): void {
  const script = `
import socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
for _ in range(3): raw.sendto(struct.pack("!HHHH", 0, ${port}, 12, 0) + b"hola", ("127.0.0.1", 0))
`;
  spawnSync("python3", ["-c", script], { stdio: "ignore" });
}

/** True if somebody who behaves is served there: an answer comes to a word. */
export async function isServed(target: SocketConnectOpts): Promise<boolean> {
  for (const path of ["/", "/ws"]) {
    const socket = connect(target);
    socket.on("error", () => undefined);
    socket.write(upgrade({}, path));
    const head = await firstBytes(socket);
    if (!head.startsWith("HTTP/1.1 ")) {
      socket.destroy();
      break;
    }
    if (head.startsWith("HTTP/1.1 101 ")) {
      socket.write(text("hola"));
      const isAnswered = head.includes("hola") || (await firstBytes(socket)).includes("hola");
      socket.destroy();
      return isAnswered;
    }
    socket.destroy();
  }
  const socket = connect(target);
  socket.on("error", () => undefined);
  socket.write("hola\n");
  const words = await firstBytes(socket);
  socket.destroy();
  return words !== "" && !words.startsWith("HTTP/1.1 ");
}

/** True if an answer comes to a datagram. A cookie that is asked for is sent back first. */
export async function isAnswered(port: number): Promise<boolean> {
  const socket = createSocket("udp4").unref(); // If no answer comes, nothing waits for it.
  const ask = async (question: string): Promise<string> => {
    socket.send(question.padEnd(32), port, "127.0.0.1");
    const [bytes] = (await once(socket, "message")) as [Buffer];
    return bytes.toString();
  };
  const answer = await ask("hola");
  if (answer.startsWith("cookie ")) await ask(answer);
  const isHeard = (answer.startsWith("cookie ") ? await ask("hola") : answer).includes("hola");
  socket.close();
  return isHeard;
}

/** Servers that do to an example's client what strangers do: for each its TCP and its UDP port. */
export async function hostileServers(): Promise<{ ports: { tcp: number; udp: number }[] } & Disposable> {
  const sockets = new Set<Socket>();
  const behaviours: ((socket: Socket) => void)[] = [
    (socket) => void socket.resetAndDestroy(),
    (socket) => void socket.once("data", () => socket.resetAndDestroy()),
    (socket) => void socket.once("data", () => socket.end(randomBytes(4096))).resume(),
    (socket) =>
      void socket
        .once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhola\n{"))
        .resume(),
    (socket) =>
      void socket.once("data", (head: Buffer) => {
        const [, key = ""] = /^Sec-WebSocket-Key: (.*)\r$/im.exec(head.toString("latin1")) ?? [];
        const accept = createHash("sha1")
          .update(key + ACCEPT_GUID)
          .digest("base64");
        if (key !== "") {
          const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
          socket.write(`${[...lines, `Sec-WebSocket-Accept: ${accept}`].join("\r\n")}\r\n\r\n`);
        }
        socket.write("h");
        // Answered, and then cut: at once for a stream, after the first frame of a WebSocket.
        if (key === "") socket.resetAndDestroy();
        else socket.once("data", () => socket.resetAndDestroy());
      }),
  ];
  const ports: { tcp: number; udp: number }[] = [];
  const servers = behaviours.map((behave) =>
    createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on("error", () => undefined));
      behave(socket);
    }).listen(0, "127.0.0.1"),
  );
  const datagrams = createSocket("udp4");
  datagrams.on("message", (_bytes, { port }) => datagrams.send(randomBytes(9), port, "127.0.0.1"));
  datagrams.bind(0, "127.0.0.1");
  await once(datagrams, "listening");
  const closed = createSocket("udp4").bind(0, "127.0.0.1");
  await once(closed, "listening");
  const { port: unreachable } = closed.address();
  closed.close();
  for (const [at, server] of servers.entries()) {
    if (!server.listening) await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    ports.push({ tcp: port, udp: at % 2 === 0 ? unreachable : datagrams.address().port });
  }
  return {
    ports,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      datagrams.close();
    },
  };
}

async function firstBytes(socket: Socket): Promise<string> {
  const chunk = await Promise.race([once(socket, "data"), once(socket, "close")]);
  return Buffer.isBuffer(chunk[0]) ? chunk[0].toString("latin1") : "";
}

async function sent(socket: Socket, bytes: string): Promise<void> {
  if (!socket.destroyed) await new Promise((resolve) => socket.write(bytes, resolve));
}

async function answer(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  await new Promise((resolve) => {
    for (const event of ["readable", "end", "close"]) socket.once(event, resolve);
    setTimeout(resolve, PATIENCE_MS);
  });
}

/** Reads to the end, if it comes. */
async function finish(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  socket.resume();
  await new Promise((resolve) => {
    for (const event of ["end", "close"]) socket.once(event, resolve);
    setTimeout(resolve, PATIENCE_MS);
  });
  await closed(socket.destroy());
}

async function reset(socket: Socket): Promise<void> {
  await closed(socket.resetAndDestroy());
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, "close");
}
