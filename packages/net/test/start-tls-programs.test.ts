// TLS on a connection that exists (STARTTLS), with programs that others wrote.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { type Conn, dial, listen, startTls } from "@zocalo/net";
import { ca, local } from "./tls-identities.ts";

const asServer = { cert: local.cert, key: local.key };
const asClient = { serverName: "localhost", ca: ca.cert };

/** A line in the clear, byte by byte: nothing behind it is taken. */
async function line(conn: Conn): Promise<string> {
  let text = "";
  while (!text.endsWith("\r\n")) text += String((await conn.readFull(1)) ?? "\r\n");
  return text.trimEnd();
}

/** What an SMTP server says until it is asked for TLS, and how it asks for it. */
async function smtp(plain: Conn): Promise<Conn> {
  await plain.write(Buffer.from("220 hola ESMTP\r\n"));
  for (;;) {
    const command = await line(plain);
    if (/^starttls$/i.test(command)) {
      return startTls(plain, "server", { ...asServer, goAhead: "220 go ahead\r\n" });
    }
    await plain.write(Buffer.from("250-hola\r\n250 STARTTLS\r\n"));
  }
}

async function run(command: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (chunk) => (said += String(chunk)));
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  child.stdin.end(input);
  await once(child, "close");
  return said;
}

test("openssl s_client -starttls smtp speaks with a server", async (t) => {
  const listener = await listen("tcp", "127.0.0.1:0");
  t.after(() => listener.abort());
  const serving = (async () => {
    const conn = await smtp(await listener.accept());
    const said = String(await conn.read());
    await conn.write(Buffer.from("221 adiós\r\n"));
    await conn.close();
    return said;
  })();
  const where = ["-connect", String(listener.addr), "-servername", "localhost"];
  const trust = ["-CAfile", ca.certFile, "-verify_return_error", "-quiet"];
  const child = spawn("openssl", ["s_client", "-starttls", "smtp", ...where, ...trust]);
  child.stdin.write("QUIT\r\n");
  let said = "";
  child.stdout.on("data", (chunk) => (said += String(chunk)));
  await once(child, "close");
  assert.match(said, /221 adiós/);
  assert.match(await serving, /^QUIT/);
});

test("python's smtplib begins TLS with a server", async (t) => {
  const listener = await listen("tcp", "127.0.0.1:0");
  t.after(() => listener.abort());
  const serving = (async () => {
    const conn = await smtp(await listener.accept());
    const said = await line(conn);
    await conn.write(Buffer.from("250 under TLS\r\n"));
    await conn.close();
    return said;
  })();
  const program = `
import smtplib, ssl, sys
client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), local_hostname="ana")
client._host = "localhost"
client.ehlo()
client.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
print(client.docmd("NOOP"), client.sock.version())
`;
  const args = ["-c", program, String(listener.addr.port), ca.certFile];
  assert.match(await run("python3", args, ""), /\(250, b'under TLS'\) TLSv1\.3/);
  assert.equal(await serving, "NOOP");
});

test("a client begins TLS with python's ssl as the server", async (t) => {
  const program = `
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
plain, _ = listener.accept()
plain.sendall(b"* OK\\r\\n")
assert plain.recv(100) == b"a STARTTLS\\r\\n"
plain.sendall(b"a OK\\r\\n")
with context.wrap_socket(plain, server_side=True) as secured:
    secured.sendall(b"echo " + secured.recv(100))
    secured.unwrap()
`;
  const child = spawn("python3", ["-c", program, local.certFile, local.keyFile]);
  t.after(() => child.kill());
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  const plain = await dial("tcp", `127.0.0.1:${String(port).trim()}`);
  assert.equal(await line(plain), "* OK");
  await plain.write(Buffer.from("a STARTTLS\r\n"));
  assert.equal(await line(plain), "a OK");
  const conn = await startTls(plain, "client", asClient);
  await conn.write(Buffer.from("hola"));
  assert.equal(String(await conn.readFull(9)), "echo hola");
  assert.equal(await conn.read(), null);
  await conn.close();
});
