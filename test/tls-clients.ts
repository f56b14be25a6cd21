import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { connect } from "node:tls";
import type { TestIdentity } from "@zocalo/integrity";

/** What a foreign client is told to ask for. */
export interface Asked {
  readonly version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  /** The name to ask for (SNI), as it goes over the wire. */
  readonly name: string | undefined;
  /** The protocol to offer (ALPN). */
  readonly protocol: string | undefined;
  readonly identity: TestIdentity | undefined;
}

/** How it went, as the client tells it. */
export interface Outcome {
  /** What was received; empty if nothing. */
  readonly said: string;
  /**
   * The words of OpenSSL for what went wrong, with the alert's name or number; `undefined` if nothing did.
   */
  readonly fault: string | undefined;
  /** Of the certificate that was shown, if the client tells. */
  readonly server?: string | undefined;
  /** What was agreed on (ALPN), if the client tells; `"-"`: nothing. */
  readonly protocol?: string | undefined;
}

/** Where to, whom to believe, and what to say first. What is answered ends with `END`. */
export interface Call {
  readonly port: number;
  readonly caFile: string;
  readonly request: string;
}

/** The last byte of each answer. */
export const END = "\u0004";

/** Runs a program for each of a list. */
export type ForeignClient = (call: Call, list: readonly Asked[]) => AsyncIterable<Outcome>;

/** Before which OpenSSL does not offer TLS 1.1 at all. */
const OLD = "DEFAULT@SECLEVEL=0";

const PYTHON = `
import json, socket, ssl, sys, warnings
warnings.simplefilter("ignore")
call = json.loads(sys.argv[1])
versions = {"TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
for line in sys.stdin:
    asked = json.loads(line)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(call["caFile"])
    if asked["version"] == "TLSv1.1": context.set_ciphers("${OLD}")
    context.minimum_version = context.maximum_version = versions[asked["version"]]
    if asked.get("protocol"): context.set_alpn_protocols([asked["protocol"]])
    if asked.get("identity"): context.load_cert_chain(asked["identity"]["certFile"], asked["identity"]["keyFile"])
    name = asked.get("name")
    # It does not know that a name is the same with a dot at its end.
    context.check_hostname = name is not None and not name.endswith(".")
    said, told = b"", {}
    try:
        plain = socket.create_connection(("127.0.0.1", call["port"]))
        with context.wrap_socket(plain, server_hostname=name) as secured:
            told["server"] = secured.getpeercert()["subject"][0][0][1]
            told["protocol"] = secured.selected_alpn_protocol() or "-"
            secured.sendall(call["request"].encode())
            while not said.endswith(b"\\x04"):
                portion = secured.recv(1000)
                if not portion: break
                said += portion
    except OSError as error:
        told["fault"] = str(error)
    told["said"] = said.decode("latin1")
    print(json.dumps(told), flush=True)
`;

async function* python(call: Call, list: readonly Asked[]): AsyncIterable<Outcome> {
  const child = spawn("python3", ["-c", PYTHON, JSON.stringify(call)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(list.map((asked) => `${JSON.stringify(asked)}\n`).join(""));
  for await (const line of parts(child.stdout, "\n")) yield JSON.parse(line) as Outcome;
}

async function* node(call: Call, list: readonly Asked[]): AsyncIterable<Outcome> {
  const ca = readFileSync(call.caFile, "utf8");
  for (const asked of list) yield await nodeOnce(call, ca, asked);
}

function nodeOnce({ port, request }: Call, ca: string, asked: Asked): Promise<Outcome> {
  const { version, name, protocol, identity } = asked;
  return new Promise((resolve) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      ca,
      minVersion: version,
      maxVersion: version,
      ...(version === "TLSv1.1" ? { ciphers: OLD } : {}),
      ...(name === undefined ? {} : { servername: name }),
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
      ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }),
    });
    let said = "";
    let fault: string | undefined;
    let agreed: { server: string; protocol: string } | undefined;
    socket.on("secureConnect", () => {
      agreed = {
        server: String(socket.getPeerCertificate().subject.CN),
        protocol: socket.alpnProtocol || "-",
      };
      socket.write(request);
    });
    socket.on("data", (bytes: Buffer) => {
      said += bytes.toString("latin1");
      if (said.endsWith(END)) socket.destroy();
    });
    socket.on("error", ({ message }) => (fault ??= message));
    socket.on("close", () => resolve({ said, fault, ...agreed }));
  });
}

async function* openssl(call: Call, list: readonly Asked[]): AsyncIterable<Outcome> {
  for (const asked of list) {
    const { version, name, protocol, identity } = asked;
    const args = ["s_client", "-connect", `127.0.0.1:${call.port}`, "-CAfile", call.caFile];
    args.push(
      "-verify_return_error",
      "-ign_eof",
      `-${version.slice(0, 3).toLowerCase()}1_${version.slice(-1)}`,
    );
    if (version === "TLSv1.1") args.push("-cipher", OLD);
    args.push(...(name === undefined ? ["-noservername"] : ["-servername", name]));
    if (protocol !== undefined) args.push("-alpn", protocol);
    if (identity !== undefined) args.push("-cert", identity.certFile, "-key", identity.keyFile);
    const output = await spoken("openssl", args, call.request);
    const [, server] = /subject=CN = (\S+)/.exec(output) ?? [];
    const [, agreed] = /ALPN protocol: (\S+)/.exec(output) ?? [];
    yield { ...heard(output), server, protocol: agreed ?? "-" };
  }
}

/** It has no option for protocols (ALPN), and says nothing of an alert that comes after its handshake. */
async function* socat(call: Call, list: readonly Asked[]): AsyncIterable<Outcome> {
  for (const { version, name, identity } of list) {
    const number = version.slice(4);
    // An empty name: it takes a certificate for whatever name.
    const options = [
      `cafile=${call.caFile}`,
      "commonname=",
      name === undefined ? "no-sni=1" : `snihost=${name}`,
    ];
    options.push(`min-version=TLS1.${number.slice(-1)}`, `max-version=TLS1.${number.slice(-1)}`);
    if (version === "TLSv1.1") options.push(`cipher=${OLD}`);
    if (identity !== undefined) options.push(`cert=${identity.certFile}`, `key=${identity.keyFile}`);
    const address = `OPENSSL:127.0.0.1:${call.port},${options.join(",")}`;
    // It waits for that long once the other has ended, in seconds.
    const output = await spoken("socat", ["-d", "-d", "-d", "-t", "0.01", "STDIO", address], call.request);
    const [, server] = /SSL peer cert subject: "CN = (.*?)"/.exec(output) ?? [];
    yield { ...heard(output), server };
  }
}

/** Between what curl prints of two requests. */
const NEXT = "\u0005";

/**
 * Names are of URLs, so a name is asked for in lower case and without a dot; it offers no protocols but its
 * own.
 */
async function* curl(call: Call, list: readonly Asked[]): AsyncIterable<Outcome> {
  const blocks = list.map(({ version, name, protocol, identity }) => {
    const number = version.slice(4);
    const url = `https://${name ?? "127.0.0.1"}:${call.port}/`;
    const options = [`url = "${url}"`, `cacert = "${call.caFile}"`, `tls-max = "${number}"`, `tlsv${number}`];
    options.push(
      `header = "Connection: close"`,
      "silent",
      "show-error",
      "verbose",
      "include",
      "http1.1",
      "no-sessionid",
      "max-time = 60",
    );
    options.push(`stderr = "-"`, `write-out = "%{exitcode}${NEXT}"`);
    if (version === "TLSv1.1") options.push(`ciphers = "${OLD}"`);
    if (protocol === undefined) options.push("no-alpn");
    if (identity !== undefined) options.push(`cert = "${identity.certFile}"`, `key = "${identity.keyFile}"`);
    if (name !== undefined) options.push(`resolve = "${name}:${call.port}:127.0.0.1"`);
    return options.join("\n");
  });
  const child = spawn("curl", ["-q", "-K", "-"], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(blocks.join("\nnext\n"));
  for await (const output of parts(child.stdout, NEXT)) {
    const [, exitCode = ""] = /(\d+)$/.exec(output) ?? [];
    const [, server] = /subject: CN=(\S+)/.exec(output) ?? [];
    const [, agreed] = /ALPN: server accepted (\S+)/.exec(output) ?? [];
    yield { said: output, fault: exitCode === "0" ? undefined : output, server, protocol: agreed ?? "-" };
  }
}

/** What a program prints, cut at each `separator`. */
async function* parts(output: Readable, separator: string): AsyncIterable<string> {
  let rest = "";
  for await (const portion of output) {
    const complete = `${rest}${(portion as Buffer).toString("latin1")}`.split(separator);
    rest = complete.pop() ?? "";
    yield* complete;
  }
}

/**
 * Runs a program that is a client, says something to it, and hears all it prints, until the answer is there
 * or the program ends.
 */
function spoken(command: string, args: readonly string[], request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args);
    let output = "";
    const hear = (bytes: Buffer): void => {
      output += bytes.toString("latin1");
      if (output.includes(END)) child.kill();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.stdin.on("error", () => undefined); // It may end without having read it.
    child.stdin.write(request);
    child.on("error", reject);
    child.on("close", () => resolve(output));
  });
}

function heard(output: string): Outcome {
  const [said] = new RegExp(`HTTP/1\\.1 [^]*${END}`).exec(output) ?? [];
  return said === undefined ? { said: "", fault: output } : { said, fault: undefined };
}

export const CLIENTS = { openssl, curl, python, node, socat } satisfies Record<string, ForeignClient>;
