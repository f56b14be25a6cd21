// A mail server that takes mail under TLS only: in the clear it says how to begin (STARTTLS, RFC 3207).
//
//   npx tsx --conditions=zocalo-source examples/src/starttls-server.ts ADDRESS CERTIFICATE KEY
//   openssl s_client -connect 127.0.0.1:7003 -starttls smtp
import { type Conn, delimited, listen, type MessageConn, NetError, printable, startTls } from "@zocalo/net";

const GRACE_MS = 2_000;
/** How long a client may take until TLS begins, and then between two lines. */
const CLEAR_MS = 30_000;
const LINE_MS = 60_000;
/** Without the CRLF (RFC 5321 §4.5.3.1). */
const MAX_LINE_BYTES = 998;
const MAX_MAIL_BYTES = 100_000;

const [at, certFile, keyFile] = process.argv.slice(2);
if (at === undefined || certFile === undefined || keyFile === undefined) {
  console.error("usage: starttls-server ADDRESS CERTIFICATE KEY, as in 127.0.0.1:7003 cert.pem key.pem");
  process.exit(2);
}
// The same object for all connections: its files are read once, and looked at again when they change.
const tls = { certFile, keyFile, goAhead: "220 2.0.0 go ahead\r\n" };
const listener = await listen("tcp", at, { maxConnections: 1_000 });
console.log(`listening on ${String(listener.addr)}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void listener.drain(Date.now() + GRACE_MS));
}

for await (const conn of listener) {
  inTheClear(conn).catch((error: Error) => console.error(error.message));
}

async function inTheClear(plain: Conn): Promise<void> {
  await using _ = plain; // Closing it closes the one that `startTls` makes of it, too.
  plain.setDeadline(Date.now() + CLEAR_MS);
  const say = (text: string): Promise<void> => plain.write(Buffer.from(`${text}\r\n`));
  await say("220 mail.example ESMTP");
  for (let line; (line = await lineOf(plain)) !== null; ) {
    const verb = verbOf(line);
    if (verb === "EHLO") await say("250-mail.example\r\n250 STARTTLS");
    else if (verb === "NOOP") await say("250 2.0.0 here");
    else if (verb === "QUIT") return await say("221 2.0.0 bye");
    else if (verb !== "STARTTLS") await say("530 5.7.0 begin with STARTTLS");
    else return await underTls(await begun(plain)); // Without `await` it would be closed at once.
  }
}

/**
 * The next line, byte by byte: what stands behind it stays unread, so that `startTls` sees it. `null` at the
 * end.
 */
async function lineOf(conn: Conn): Promise<string | null> {
  let text = "";
  while (!text.endsWith("\r\n")) {
    const byte = await conn.readFull(1);
    if (byte === null) return null;
    if (text.length > MAX_LINE_BYTES + 1)
      throw new Error(`${String(conn.remoteAddr)}: a line without an end`);
    text += Buffer.from(byte).toString("latin1");
  }
  return text.slice(0, -2);
}

function verbOf(line: string): string {
  return (line.split(" ", 1)[0] ?? "").toUpperCase();
}

async function begun(plain: Conn): Promise<Conn> {
  try {
    return await startTls(plain, "server", tls);
  } catch (error) {
    // Somebody in between may have put a command behind STARTTLS, to be taken for one that came under TLS:
    // refused, and the connection lives to say so. So it does if there is no certificate to show. If the
    // handshake failed, nobody is there.
    const isMixed = error instanceof NetError && error.code === "invalid_argument";
    const why = isMixed ? "503 5.5.1 nothing may follow STARTTLS" : "454 4.7.0 no TLS now";
    await plain.write(Buffer.from(`${why}\r\n`)).catch(() => undefined);
    throw error;
  }
}

/** From here on nothing counts that was said before (RFC 3207 §4.2). */
async function underTls(conn: Conn): Promise<void> {
  const version = conn.tls?.version;
  // Lines end by CRLF and by nothing else, so that no mail can hide another behind a bare LF.
  await using client = delimited(conn, "\r\n", { messages: "text", maxMessageBytes: MAX_LINE_BYTES });
  let from: string | undefined;
  let to: string[] = [];
  for (let line; (line = await next(client)) !== null; ) {
    const verb = verbOf(line);
    if (verb === "EHLO") {
      await client.send("250-mail.example");
      await client.send(`250 SIZE ${MAX_MAIL_BYTES}`);
    } else if (verb === "QUIT") return await client.send("221 2.0.0 bye");
    else if (verb === "NOOP") await client.send("250 2.0.0 here");
    else if (verb === "RSET") {
      [from, to] = [undefined, []];
      await client.send("250 2.0.0 forgotten");
    } else if (verb === "MAIL") {
      [from, to] = [line.slice(line.indexOf(":") + 1), []];
      await client.send("250 2.1.0 noted");
    } else if (verb === "RCPT" && from !== undefined && to.length < 100) {
      to.push(line.slice(line.indexOf(":") + 1));
      await client.send("250 2.1.5 noted");
    } else if (verb === "DATA" && from !== undefined && to.length > 0) {
      const mail = await mailOf(client);
      if (mail === undefined) return await client.send("552 5.3.4 too large");
      // What a stranger wrote goes to a terminal: `printable` escapes what would move its cursor.
      console.log(
        printable(`mail from ${from} to ${to.join(", ")}: ${mail.length} characters by ${version}`),
      );
      [from, to] = [undefined, []];
      await client.send("250 2.0.0 taken");
    } else await client.send("503 5.5.1 not now, or not here");
  }
}

/** The text until a line that is a dot; `undefined` if it is too long. */
async function mailOf(client: MessageConn): Promise<string | undefined> {
  await client.send("354 end with a dot");
  let mail = "";
  for (let line; (line = await next(client)) !== "."; ) {
    if (line === null) throw new Error("a mail without its end is none");
    mail += `${line.startsWith(".") ? line.slice(1) : line}\r\n`;
    if (mail.length > MAX_MAIL_BYTES) return undefined;
  }
  return mail;
}

async function next(client: MessageConn): Promise<string | null> {
  const line = await client.receive({ signal: AbortSignal.timeout(LINE_MS) });
  return line === null ? null : String(line);
}
