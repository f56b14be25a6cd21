// A chat for terminals: each line that somebody types goes to all others.
//
//   npx tsx --conditions=zocalo-source examples/src/line-chat.ts [ADDRESS]
//   nc 127.0.0.1 7001
import { lines, listen, type MessageConn, PreparedMessage, printable } from "@zocalo/net";

const GRACE_MS = 2_000;
const MAX_NAME_LENGTH = 20;

// Half-open clients and endless lines have limits: a minute for half a line is the default of the framing.
const listener = lines(await listen("tcp", process.argv[2] ?? "127.0.0.1:7001", { maxConnections: 1_000 }), {
  maxMessageBytes: 1_000,
});
const members = new Map<MessageConn, string>();
console.log(`listening on ${String(listener.addr)}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end());

for await (const conn of listener) {
  chat(conn).catch((error: Error) => console.error(error.message));
}

async function chat(conn: MessageConn): Promise<void> {
  await using _ = conn;
  await conn.send("Your name?");
  const answer = await conn.receive();
  if (answer === null) return;
  // What a peer sends is shown in other people's terminals, which obey control characters: `printable`
  // escapes them.
  const name = printable(String(answer).trim()).slice(0, MAX_NAME_LENGTH) || "nobody";
  members.set(conn, name);
  say(`* ${name} is here`);
  try {
    for await (const line of conn) say(`${name}: ${printable(String(line))}`, conn);
  } finally {
    // Comes here after a reset, too.
    members.delete(conn);
    say(`* ${name} has left`);
  }
}

/** Tells everybody but `except`. */
function say(text: string, except?: MessageConn): void {
  const message = new PreparedMessage(text); // put into its wire form once for all
  for (const conn of members.keys()) {
    // Who does not read fills a queue of limited size, and then is out: the others do not wait.
    if (conn !== except && conn.trySend(message) === "refused") conn.abort();
  }
}

async function end(): Promise<void> {
  const drained = listener.drain(Date.now() + GRACE_MS);
  say("* the chat is closing");
  // A member that broke has told so to its own handler.
  for (const conn of members.keys()) conn.close().catch(() => undefined);
  await drained;
}
