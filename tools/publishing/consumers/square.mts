// A stranger's program with all five libraries: it has to compile, and to print what stands at its end.
import { type ClientConn, connect, type Publications, type Session } from "@zocalo/client";
import { Hub, type HubOptions, MemoryEngine, type NamespaceOptions } from "@zocalo/hub";
import {
  type Conn,
  type DialOptions,
  dial,
  lines,
  listen,
  listenPacket,
  type Message,
  type MessageConn,
  NetError,
  peers,
  pipe,
} from "@zocalo/net";
import { type Command, decodeCommand, encodeCommand, ProtocolError } from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

interface Line {
  readonly text: string;
}

/** Bytes: there and back over memory, with a deadline and a typed error. */
async function echo(): Promise<string> {
  const [ours, theirs]: [Conn, Conn] = pipe();
  const answered = (async () => {
    for await (const bytes of theirs) await theirs.write(bytes);
    await theirs.close();
  })();
  ours.setReadDeadline(Date.now() + 30_000);
  await ours.write(new TextEncoder().encode("hola"));
  const bytes: Uint8Array | null = await ours.readFull(4);
  await ours.close();
  await answered;
  const options: DialOptions = { deadline: Date.now() + 30_000 };
  try {
    await dial("tcp", "nobody", options);
  } catch (error: unknown) {
    if (error instanceof NetError) return `${new TextDecoder().decode(bytes ?? undefined)} ${error.code}`;
    throw error;
  }
  return "an address without a port was taken";
}

/** Channels: what Ana says in a WebSocket is heard over TCP. */
async function square(): Promise<string> {
  const namespace: NamespaceOptions = { subscribe: "anyone", publish: "anyone" };
  const options: HubOptions = { namespaces: { plaza: namespace }, engine: new MemoryEngine() };
  const hub = new Hub(options);
  const web = await websocket.listen("127.0.0.1:0", { path: "/ws" });
  const tcp = await listen("tcp", "127.0.0.1:0");
  const udp = peers(await listenPacket("udp", "127.0.0.1:0"));
  for (const door of [web, lines(tcp), udp]) void hub.serve(door);

  const ana: Session = connect(`ws://${String(web.addr)}/ws`, {
    dial: websocket.dial,
    token: "a long random text",
  });
  const luis = connect(String(tcp.addr), {
    dial: async (address, wanted): Promise<ClientConn> => lines(await dial("tcp", address, wanted)),
  });
  const heard: Publications<Line> = luis.channel<Line>("plaza:general").subscribe({ last: 10 });
  const { offset } = await ana.channel<Line>("plaza:general").publish({ text: "hola" });
  let said = "";
  for await (const { data } of heard) {
    said = `${data.text} ${offset}`;
    break;
  }
  await Promise.all([ana.close(), luis.close()]);
  await hub.close();
  return said;
}

/** Messages, by hand: a WebSocket is a connection like any other. */
async function greet(): Promise<string> {
  const listener = await websocket.listen("127.0.0.1:0");
  const served = (async () => {
    const conn = await listener.accept();
    conn.serve({ message: (message: Message) => conn.send(message) });
  })();
  const conn: MessageConn = await websocket.dial(`ws://${String(listener.addr)}`);
  await conn.send("hola");
  const answer: Message | null = await conn.receive();
  await conn.close();
  await served;
  await listener.close();
  return String(answer);
}

/** The protocol without any socket. */
function speak(): string {
  const command: Command = decodeCommand(encodeCommand({ type: "ping", id: 1 }));
  try {
    decodeCommand("{}");
  } catch (error: unknown) {
    if (error instanceof ProtocolError) return `${command.type} ${error.code}`;
  }
  return "an empty command was taken";
}

console.log([await echo(), await square(), await greet(), speak()].join(", "));
// hola invalid_address, hola 1, hola, ping bad_command
