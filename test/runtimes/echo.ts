// What both sides of a smoke test say to each other. Runs on Node, Bun and Deno alike.
import { type Conn, dial, type Listener, listen } from "@zocalo/net";
import * as websocket from "@zocalo/websocket";

/** Where both echoes listen. */
export interface Places {
  readonly tcp: string;
  readonly ws: string;
}

/**
 * Small, and more than any buffer on the way holds: 1 MiB. Its bytes are different everywhere, so that one in
 * the wrong place is found.
 */
const PAYLOADS = [
  Uint8Array.of(1, 2, 3),
  Uint8Array.from({ length: 1024 * 1024 }, (_, at) => (at * at) >> 7),
];

/**
 * Listens on both, and echoes over two connections of each: the first is iterated, the second has a handler.
 */
export async function echoes(): Promise<{ places: Places; done: Promise<unknown> }> {
  const tcp = await listen("tcp", "127.0.0.1:0");
  const ws = await websocket.listen("127.0.0.1:0");
  const places = { tcp: String(tcp.addr), ws: `ws://${String(ws.addr)}` };
  return { places, done: Promise.all([echoBytes(tcp), echoMessages(ws)]) };
}

async function echoBytes(listener: Listener<Conn>): Promise<void> {
  const iterated = await listener.accept();
  for await (const bytes of iterated) await iterated.write(bytes);
  await iterated.close();
  const handled = await listener.accept();
  await new Promise<void>((resolve, reject) => {
    handled.serve({
      data: (bytes) => handled.write(bytes),
      end: () => handled.close(),
      close: (error) => (error === undefined ? resolve() : reject(error)),
    });
  });
  await listener.close();
}

async function echoMessages(listener: Listener<websocket.WebSocketConn>): Promise<void> {
  const iterated = await listener.accept();
  for await (const message of iterated) await iterated.send(message);
  const handled = await listener.accept();
  await new Promise<void>((resolve, reject) => {
    handled.serve({
      message: (message) => handled.send(message),
      close: ({ error, wasClean }) =>
        wasClean ? resolve() : reject(error ?? new Error("not a clean close")),
    });
  });
  await listener.close();
}

/** Dials both, twice, and compares what comes back. @returns how many answers were right. */
export async function askEchoes({ tcp, ws }: Places): Promise<number> {
  let answers = 0;
  for (let connection = 0; connection < 2; connection++) {
    const conn = await dial("tcp", tcp);
    for (const sent of PAYLOADS) {
      const [back] = await Promise.all([conn.readFull(sent.length), conn.write(sent)]);
      answers += check(`${sent.length} bytes over TCP`, back, sent);
    }
    await conn.closeWrite();
    check("the end over TCP", await conn.read(), undefined);
    await conn.close();
    const socket = await websocket.dial(ws);
    for (const sent of ["¡hola!", ...PAYLOADS]) {
      await socket.send(sent);
      answers += check(`${sent.length} of a WebSocket message`, await socket.receive(), sent);
    }
    await socket.close();
  }
  return answers;
}

/** So many answers are right if all are. */
export const ALL_ANSWERS = 10;

function check(name: string, back: string | Uint8Array | null | undefined, sent: typeof back): number {
  const isSame =
    back instanceof Uint8Array && sent instanceof Uint8Array
      ? Buffer.compare(back, sent) === 0
      : (back ?? undefined) === sent;
  if (!isSame) throw new Error(`${name} came back as something else`);
  return 1;
}
