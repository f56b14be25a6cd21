// Foreign TLS clients (openssl, curl, python, node:tls, socat) at `listen("tls", …)` and at a `wss:`
// listener, in every combination of client certificate, name (SNI), protocol (ALPN) and version: what each
// side is told, and with which alert (RFC 8446 §6.2) a refusal ends.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Conn, listen, type TlsListenOptions } from "@zocalo/net";
import { listen as listenWebSocket } from "@zocalo/websocket";
import { TestCertificates, type TestIdentity } from "@zocalo/integrity";
import { type Asked, CLIENTS, END, type ForeignClient, type Outcome } from "./tls-clients.ts";

const ours = new TestCertificates();
const theirs = new TestCertificates();
after(() => {
  ours.remove();
  theirs.remove();
});
const main = ours.issue("main", ["127.0.0.1", "nobody.example"]);
const named = ours.issue("named", ["b.example", "xn--bcher-kva.example"]);

/** Each kind of client certificate, and the alert that it ends with where one is required. */
const IDENTITIES: Readonly<Record<string, { readonly identity?: TestIdentity; readonly alert?: string }>> = {
  none: {},
  right: { identity: ours.issue("right", ["client.example"], 2, "clientAuth") },
  "of another authority": { identity: theirs.issue("stranger", ["client.example"]), alert: "unknown ca" },
  expired: { identity: ours.issue("expired", ["client.example"], -1), alert: "certificate expired" },
  "for servers only": {
    identity: ours.issue("server", ["client.example"], 2, "serverAuth"),
    alert: "unsupported certificate",
  },
  "self-signed": { identity: theirs.selfSigned("self"), alert: "unknown ca" },
  revoked: { identity: ours.issue("revoked", ["client.example"]), alert: "certificate revoked" },
};
const revoked = IDENTITIES["revoked"]?.identity;
assert.ok(revoked);

/** Names as they are asked for, what is told of them, and whose certificate they get. */
const NAMES = [
  [undefined, "-", "main"],
  ["b.example", "b.example", "named"],
  ["nobody.example", "nobody.example", "main"],
  ["xn--bcher-kva.example", "xn--bcher-kva.example", "named"],
  ["B.EXAMPLE", "b.example", "named"],
  ["b.example.", "b.example", "named"],
] as const;

/** All that clients offer: curl can offer no other. */
const PROTOCOL = "http/1.1";

interface Combination extends Asked {
  readonly mode: "request" | "require";
  readonly kind: string;
  readonly told: string;
  readonly server: string;
  /** The server has no protocol that the client offers. */
  readonly isUnknownProtocol: boolean;
}

function combinationsOf(mode: "request" | "require", isUnknownProtocol: boolean): Combination[] {
  const combinations: Combination[] = [];
  for (const [kind, { identity }] of Object.entries(IDENTITIES)) {
    for (const [name, told, server] of NAMES) {
      for (const protocol of isUnknownProtocol ? [PROTOCOL] : [undefined, PROTOCOL]) {
        for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
          combinations.push({
            version,
            name,
            protocol,
            identity,
            mode,
            kind,
            told,
            server,
            isUnknownProtocol,
          });
        }
      }
    }
  }
  const old = { name: "b.example", told: "b.example", server: "named", protocol: PROTOCOL } as const;
  return [
    ...combinations,
    {
      ...old,
      ...IDENTITIES["right"],
      identity: IDENTITIES["right"]?.identity,
      version: "TLSv1.1",
      kind: "right",
      mode,
      isUnknownProtocol,
    },
  ];
}

/** The alert that a combination ends with; `undefined`: the client is let in. */
function alertFor({ version, mode, kind, isUnknownProtocol }: Combination): string | undefined {
  if (version === "TLSv1.1") return "protocol version";
  if (isUnknownProtocol) return "no application protocol";
  if (mode === "request") return undefined;
  if (kind === "none") return version === "TLSv1.2" ? "handshake failure" : "certificate required";
  return IDENTITIES[kind]?.alert;
}

/** What the listener says of a refusal. */
const REASONS: Readonly<Record<string, RegExp>> = {
  "protocol version": /unsupported protocol/,
  "no application protocol": /no application protocol/i,
  "handshake failure": /peer did not return a certificate/,
  "certificate required": /peer did not return a certificate/,
  // Of a certificate that nobody signed but itself OpenSSL says last that there is no list of revoked ones
  // for it.
  "unknown ca":
    /the client's certificate is refused: unable to (?:verify the first certificate|get certificate CRL)/,
  "certificate expired": /the client's certificate is refused: certificate has expired/,
  "unsupported certificate":
    /the client's certificate is refused: (?:unsuitable|unsupported) certificate purpose/,
  "certificate revoked": /the client's certificate is refused: certificate revoked/,
};

/** What happens at a door, in its order. */
class Verdicts {
  readonly #given: string[] = [];
  #waiting: ((verdict: string) => void) | undefined;

  give(verdict: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(verdict);
    else this.#given.push(verdict);
  }

  next(): Promise<string> {
    const given = this.#given.shift();
    return given === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(given);
  }
}

interface Door {
  readonly port: number;
  readonly verdicts: Verdicts;
  close(): Promise<void>;
}

function tlsOptions({ mode, isUnknownProtocol }: Combination) {
  return {
    ...main,
    certFile: undefined,
    keyFile: undefined,
    ca: ours.ca.cert,
    crl: ours.revoke(revoked as TestIdentity),
    clientCertificates: mode,
    serverNames: { "b.example": named, "Bücher.example": named },
    alpnProtocols: isUnknownProtocol ? ["hola/1"] : ["hola/1", PROTOCOL],
  } satisfies TlsListenOptions;
}

const HEAD = [
  "GET / HTTP/1.1",
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const REQUEST = `${HEAD.join("\r\n")}\r\n\r\n`;

/** Tells each client what it knows of it. */
async function openTls(combination: Combination): Promise<Door> {
  const verdicts = new Verdicts();
  const listener = await listen("tls", "127.0.0.1:0", {
    ...tlsOptions(combination),
    onRefuse: ({ error }) => verdicts.give(String(error?.message)),
  });
  const answer = async (conn: Conn): Promise<void> => {
    const { tls } = conn;
    const peer = tls?.peerCertificate?.subject.CN ?? "nobody";
    const told = [tls?.version, tls?.serverName ?? "-", tls?.alpnProtocol ?? "-", peer, tls?.isAuthorized];
    verdicts.give(told.join(" "));
    await conn.read();
    await conn.write(Buffer.from(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${told.join(" ")}${END}`));
    await conn.close();
  };
  void (async () => {
    // The client says what it missed.
    for await (const conn of listener) answer(conn).catch(() => conn.abort());
  })();
  return { port: listener.addr.port, verdicts, close: () => listener.abort() };
}

async function openWebSocket(combination: Combination): Promise<Door> {
  const verdicts = new Verdicts();
  const listener = await listenWebSocket("127.0.0.1:0", {
    tls: tlsOptions(combination),
    onRefuse: ({ error }) => verdicts.give(String(error?.message)),
  });
  void (async () => {
    // The client says what it missed.
    for await (const conn of listener) conn.send(`hola${END}`).catch(() => undefined);
  })();
  return { port: listener.addr.port, verdicts, close: () => listener.abort() };
}

const DOORS = {
  'listen("tls")': { open: openTls, tellsAll: true, said: /HTTP\/1.1 200 OK/ },
  "a wss listener": {
    open: openWebSocket,
    tellsAll: false,
    // curl asks for no WebSocket.
    said: /HTTP\/1.1 101 Switching Protocols[^]*hola|HTTP\/1.1 426 Upgrade Required/,
  },
} as const;

for (const [peer, client] of Object.entries(CLIENTS) as [keyof typeof CLIENTS, ForeignClient][]) {
  for (const [what, { open, tellsAll, said }] of Object.entries(DOORS)) {
    test(`${peer} at ${what}: each combination of certificate, name, protocol and version`, async () => {
      const walk = async (list: readonly Combination[]): Promise<void> => {
        const [first] = list;
        if (first === undefined) return;
        await using door = disposable(await open(first));
        const call = { port: door.port, caFile: ours.ca.certFile, request: REQUEST };
        const outcomes = client(call, list)[Symbol.asyncIterator]();
        for (const combination of list) {
          const outcome = ((await outcomes.next()) as IteratorResult<Outcome, undefined>).value;
          const context = JSON.stringify({
            ...combination,
            identity: undefined,
            outcome: { ...outcome, said: outcome?.said.slice(-200), fault: outcome?.fault?.slice(-600) },
          });
          assert.ok(outcome, context);
          const alert = alertFor(combination);
          if (alert !== undefined) {
            assert.match(outcome.fault ?? "", alertOf(peer, alert, combination), context);
            assert.match(await door.verdicts.next(), REASONS[alert] ?? /^$/, context);
            continue;
          }
          assert.equal(outcome.fault, undefined, context);
          assert.match(outcome.said, said, context);
          const { version, told, protocol = "-", kind, server } = combination;
          if (outcome.server !== undefined) assert.equal(outcome.server, server, context);
          if (outcome.protocol !== undefined) assert.equal(outcome.protocol, protocol, context);
          if (!tellsAll) continue;
          const cn = kind === "none" ? "nobody" : CN[kind];
          const expected = [version, told, protocol, cn, kind === "right"].join(" ");
          assert.equal(await door.verdicts.next(), expected, context);
          assert.ok(outcome.said.includes(`${expected}${END}`), context);
        }
      };
      // socat offers no protocols.
      const fits = ({ protocol, version }: Combination): boolean =>
        peer !== "socat" || protocol === undefined || version === "TLSv1.1";
      await Promise.all([
        walk(combinationsOf("require", false).filter(fits)),
        walk(peer === "socat" ? [] : combinationsOf("require", true)),
        walk(combinationsOf("request", false).filter(fits)),
      ]);
    });
  }
}

const CN: Readonly<Record<string, string>> = {
  right: "right",
  "of another authority": "stranger",
  expired: "expired",
  "for servers only": "server",
  "self-signed": "self",
  revoked: "revoked",
};

/**
 * How a client says that it got an alert: in the words of OpenSSL. Where the handshake is over for the client
 * already, socat says nothing.
 */
function alertOf(peer: string, alert: string, { version, isUnknownProtocol }: Combination): RegExp {
  return peer === "socat" && version === "TLSv1.3" && !isUnknownProtocol
    ? /./
    : new RegExp(`alert,? ${alert}`);
}

function disposable(door: Door): Door & AsyncDisposable {
  return { ...door, [Symbol.asyncDispose]: () => door.close() };
}
