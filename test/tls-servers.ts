import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { createServer } from "node:tls";
import type { TestIdentity } from "@zocalo/integrity";
import { END } from "./tls-clients.ts";

/** How a foreign server is to be. It wants a certificate of each client. */
export interface Served {
  readonly version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly identity: TestIdentity;
  /** Of clients that ask for this name. */
  readonly named: TestIdentity;
  readonly name: string;
  /** Authority of clients, and its list of revoked ones. */
  readonly caFile: string;
  readonly crlFile: string;
  /** What it speaks (ALPN). */
  readonly protocol: string;
}

/**
 * Answers the head of a request for a WebSocket by one that holds one message, what the server was told of
 * the client, if it tells, with `END` behind it.
 */
export interface ForeignServer {
  readonly port: number;
  readonly stop: () => void;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OLD = "DEFAULT@SECLEVEL=0";
const KEY = /Sec-WebSocket-Key: (\S+)\r\n(?:[^\r]+\r\n)*\r\n/i;

function answerTo(key: string, told: string): Buffer {
  const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
  const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
  const text = `${told}${END}`;
  return Buffer.concat([Buffer.from(head), Buffer.from([0x81, text.length]), Buffer.from(text)]);
}

/** Answers what comes by a stream. */
function answerOn(socket: Socket, tell: () => string): void {
  let received = "";
  socket.on("error", () => undefined); // The client says what it missed.
  socket.on("data", (bytes: Buffer) => {
    received += bytes.toString("latin1");
    const [, key] = KEY.exec(received) ?? [];
    if (key === undefined) return;
    received = "";
    socket.write(answerTo(key, tell()));
  });
}

const PYTHON = `
import base64, hashlib, json, re, socket, ssl, sys, warnings
warnings.simplefilter("ignore")
served = json.loads(sys.argv[1])
versions = {"TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
def context_of(identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if served["version"] == "TLSv1.1": context.set_ciphers("${OLD}")
    context.minimum_version = context.maximum_version = versions[served["version"]]
    context.load_cert_chain(identity["certFile"], identity["keyFile"])
    context.load_verify_locations(served["caFile"])
    context.load_verify_locations(served["crlFile"])
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([served["protocol"]])
    return context
named = context_of(served["named"])
main = context_of(served["identity"])
asked = "-"
def choose(secured, name, _):
    global asked
    asked = name or "-"
    if name == served["name"]: secured.context = named
main.sni_callback = choose
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    plain, _ = server.accept()
    plain.settimeout(60)
    asked = "-"
    try:
        with main.wrap_socket(plain, server_side=True) as secured:
            request = b""
            while not request.endswith(b"\\r\\n\\r\\n"):
                portion = secured.recv(4000)
                if not portion: break
                request += portion
            key = re.search(rb"(?i)Sec-WebSocket-Key: (\\S+)", request)[1]
            accept = base64.b64encode(hashlib.sha1(key + b"${GUID}").digest())
            subject = secured.getpeercert()["subject"][0][0][1]
            told = " ".join([secured.version(), asked, secured.selected_alpn_protocol() or "-", subject]).encode() + b"\\x04"
            secured.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                b"Sec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n" + bytes([0x81, len(told)]) + told)
            while secured.recv(4000): pass
    except (OSError, TypeError):
        pass
`;

async function python(served: Served): Promise<ForeignServer> {
  const child = spawn("python3", ["-c", PYTHON, JSON.stringify(served)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { port: await portOf(child, /^(\d+)\n/), stop: () => void child.kill() };
}

async function node({
  version,
  identity,
  named,
  name,
  caFile,
  crlFile,
  protocol,
}: Served): Promise<ForeignServer> {
  const believed = { ca: readFileSync(caFile, "utf8"), crl: readFileSync(crlFile, "utf8") };
  const server = createServer({
    cert: identity.cert,
    key: identity.key,
    ...believed,
    ...(version === "TLSv1.1" ? { ciphers: OLD } : {}),
    minVersion: version,
    maxVersion: version,
    requestCert: true,
    ALPNProtocols: [protocol],
  });
  server.addContext(name, { cert: named.cert, key: named.key, ...believed });
  server.on("secureConnection", (socket) => {
    const asked = (socket as { servername?: string | false }).servername || "-";
    const told = [
      socket.getProtocol(),
      asked,
      socket.alpnProtocol || "-",
      socket.getPeerCertificate().subject.CN,
    ];
    answerOn(socket, () => told.join(" "));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, stop: () => void server.close() };
}

/**
 * What it receives it prints, and what it is told to say it says. It does not tell what it knows of a client;
 * for a second name it would speak no protocol.
 */
async function openssl(served: Served): Promise<ForeignServer> {
  const { version, identity, caFile, crlFile, protocol } = served;
  const args = [
    "s_server",
    "-accept",
    "127.0.0.1:0",
    "-Verify",
    "1",
    "-verify_return_error",
    "-CAfile",
    caFile,
  ];
  args.push("-CRL", crlFile, "-crl_check", "-cert", identity.certFile, "-key", identity.keyFile);
  args.push("-alpn", protocol, `-tls1_${version.slice(-1)}`);
  if (version === "TLSv1.1") args.push("-cipher", OLD);
  const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "ignore"] });
  let printed = "";
  child.stdout.on("data", (bytes: Buffer) => {
    printed += bytes.toString("latin1");
    const [, key] = KEY.exec(printed) ?? [];
    if (key === undefined) return;
    printed = "";
    child.stdin.write(answerTo(key, "hola"));
  });
  return { port: await portOf(child, /ACCEPT 127\.0\.0\.1:(\d+)/), stop: () => void child.kill() };
}

/**
 * It leads to a plain server. It knows neither protocols (ALPN) nor lists of revoked certificates, and has
 * one certificate for all names.
 */
async function socat({ version, identity, caFile }: Served): Promise<ForeignServer> {
  const plain = createTcpServer((socket) => answerOn(socket, () => "hola"));
  plain.listen(0, "127.0.0.1");
  await once(plain, "listening");
  const number = version.slice(-3);
  const options = ["OPENSSL-LISTEN:0", "bind=127.0.0.1", "fork", `cafile=${caFile}`, "verify=1"];
  options.push(`cert=${identity.certFile}`, `key=${identity.keyFile}`);
  options.push(`min-version=TLS${number}`, `max-version=TLS${number}`);
  if (version === "TLSv1.1") options.push(`cipher=${OLD}`);
  const target = `TCP:127.0.0.1:${(plain.address() as AddressInfo).port}`;
  const child = spawn("socat", ["-d", "-d", options.join(","), target], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = (): void => {
    child.kill();
    plain.close();
  };
  return { port: await portOf(child, /listening on AF=2 127\.0\.0\.1:(\d+)/), stop };
}

function portOf(child: ChildProcess, pattern: RegExp): Promise<number> {
  return new Promise((resolve, reject) => {
    let printed = "";
    const look = (bytes: Buffer): void => {
      printed += String(bytes);
      const [, port] = pattern.exec(printed) ?? [];
      if (port !== undefined) resolve(Number(port));
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.on("error", reject);
    child.on("close", () => reject(new Error(`it listens to nothing: ${printed}`)));
  });
}

/** What a server does not do, as all others do. */
export interface Lacks {
  /** It tells nothing of its clients. */
  readonly telling?: true;
  /** It goes on without a protocol that both know, as RFC 7301 does not forbid. */
  readonly protocolAlert?: true;
  readonly protocols?: true;
  readonly names?: true;
  readonly revocation?: true;
  /** It cuts clients that it refuses, without an alert. */
  readonly certificateAlert?: true;
}

export const SERVERS: Readonly<
  Record<string, { readonly serve: (served: Served) => Promise<ForeignServer>; readonly lacks: Lacks }>
> = {
  openssl: { serve: openssl, lacks: { telling: true, names: true } },
  python: { serve: python, lacks: { protocolAlert: true } },
  node: { serve: node, lacks: { certificateAlert: true } },
  socat: { serve: socat, lacks: { telling: true, protocols: true, names: true, revocation: true } },
};
