// Foreign TLS servers (openssl, python, node:tls, socat) for `dial("tls", …)` and for a dial to `wss:`, in
// every combination of client certificate, name (SNI), protocol (ALPN) and version: what each side is told.
// What the server's own certificate may be wrong with is tried in `packages/net/test/tls-alerts.test.ts`.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { dial } from "@zocalo/net";
import { dial as dialWebSocket } from "@zocalo/websocket";
import { TestCertificates, type TestIdentity } from "@zocalo/integrity";
import { END } from "./tls-clients.ts";
import { type Lacks, SERVERS } from "./tls-servers.ts";

const ours = new TestCertificates();
const theirs = new TestCertificates();
after(() => {
  ours.remove();
  theirs.remove();
});
const names = ["127.0.0.1", "b.example", "nobody.example", "xn--bcher-kva.example"];
const main = ours.issue("main", names);
const named = ours.issue("named", ["b.example"]);
const revoked = ours.issue("revoked", ["client.example"]);
const crlFile = join(ours.directory, "clients.crl");
writeFileSync(crlFile, ours.revoke(revoked));

interface Identity {
  readonly kind: string;
  readonly identity?: TestIdentity;
  /** What a server says that refuses it. */
  readonly alert?: string;
}

const IDENTITIES: readonly Identity[] = [
  { kind: "none" },
  { kind: "right", identity: ours.issue("right", ["client.example"], 2, "clientAuth") },
  { kind: "stranger", identity: theirs.issue("stranger", ["client.example"]), alert: "unknown ca" },
  { kind: "expired", identity: ours.issue("expired", ["client.example"], -1), alert: "certificate expired" },
  {
    kind: "for servers",
    identity: ours.issue("server", ["client.example"], 2, "serverAuth"),
    alert: "unsupported certificate",
  },
  { kind: "self-signed", identity: theirs.selfSigned("self"), alert: "unknown ca" },
  { kind: "revoked", identity: revoked, alert: "certificate revoked" },
];

/** Names as they are given to a dial, and as they are asked for. */
const NAMES = [
  [undefined, "-"],
  ["b.example", "b.example"],
  ["nobody.example", "nobody.example"],
  ["Bücher.example", "xn--bcher-kva.example"],
  ["B.EXAMPLE", "b.example"],
  ["b.example.", "b.example"],
] as const;

const PROTOCOLS = [undefined, "hola/1", "hola/2"] as const;

/** What a dial comes to. */
interface Dialed {
  /** What the server told. */
  readonly said: string;
  /** Version, name, protocol and the server's own name, as the dialed connection tells them, if it does. */
  readonly state?: string;
}

type Dialing = (port: number, asked: Asked) => Promise<Dialed>;

interface Asked {
  readonly name: string | undefined;
  readonly protocol: string | undefined;
  readonly identity: TestIdentity | undefined;
}

const REQUEST = "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const DIALS: Readonly<Record<string, Dialing>> = {
  async 'dial("tls")'(port, { name, protocol, identity }) {
    const conn = await dial("tls", `127.0.0.1:${port}`, {
      ca: ours.ca.cert,
      cert: identity?.cert,
      key: identity?.key,
      serverName: name,
      alpnProtocols: protocol === undefined ? undefined : [protocol],
    });
    try {
      await conn.write(Buffer.from(REQUEST)).catch(() => undefined); // The read says why.
      let said = "";
      while (!said.endsWith(END)) {
        const portion = await conn.read();
        if (portion === null) break;
        said += Buffer.from(portion).toString("latin1");
      }
      const { tls } = conn;
      assert.equal(tls?.isAuthorized, true);
      const { version, serverName = "-", alpnProtocol = "-", peerCertificate } = tls ?? {};
      return { said, state: [version, serverName, alpnProtocol, peerCertificate?.subject.CN].join(" ") };
    } finally {
      await conn.close().catch(() => conn.abort());
    }
  },
  async "a dial to wss:"(port, { name, protocol, identity }) {
    const conn = await dialWebSocket(`wss://127.0.0.1:${port}/`, {
      tls: {
        ca: ours.ca.cert,
        ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }),
        ...(name === undefined ? {} : { serverName: name }),
        ...(protocol === undefined ? {} : { alpnProtocols: [protocol] }),
      },
    });
    const said = String(await conn.receive());
    conn.abort();
    return { said };
  },
};

/** The alert that a combination ends with; `undefined`: none. */
function alertFor(
  version: string,
  protocol: string | undefined,
  { kind, alert }: Identity,
  lacks: Lacks,
): string | undefined {
  if (protocol === "hola/2" && !lacks.protocols && !lacks.protocolAlert) return "no application protocol";
  if (kind === "none") return version === "TLSv1.2" ? "handshake failure" : "certificate required";
  return kind === "revoked" && lacks.revocation ? undefined : alert;
}

for (const [peer, { serve, lacks }] of Object.entries(SERVERS)) {
  for (const [what, dialing] of Object.entries(DIALS)) {
    test(`${what} to ${peer}: each combination of certificate, name, protocol and version`, async () => {
      const common = {
        identity: main,
        named,
        name: "b.example",
        caFile: ours.ca.certFile,
        crlFile,
        protocol: "hola/1",
      };
      const walk = async (version: "TLSv1.2" | "TLSv1.3"): Promise<void> => {
        const { port, stop } = await serve({ ...common, version });
        try {
          for (const each of IDENTITIES) {
            const { kind, identity } = each;
            for (const [name, told] of NAMES) {
              for (const protocol of PROTOCOLS) {
                const context = [version, kind, name, protocol].join(" ");
                const alert = alertFor(version, protocol, each, lacks);
                const outcome = dialing(port, { name, protocol, identity });
                if (alert !== undefined) {
                  const isTold = !lacks.certificateAlert || alert.includes("protocol") || kind === "none";
                  await assert.rejects(
                    outcome,
                    { message: isTold ? new RegExp(`alert "?${alert}`) : /./ },
                    context,
                  );
                  continue;
                }
                const { said, state } = await outcome;
                const agreed = protocol === "hola/1" && !lacks.protocols ? protocol : "-";
                const expected = lacks.telling
                  ? "hola"
                  : [version, told, agreed, identity?.cert && CN[kind]].join(" ");
                assert.ok(said.endsWith(`${expected}${END}`), `${context}: ${said}`);
                const shown = lacks.names || told !== "b.example" ? "main" : "named";
                if (state !== undefined)
                  assert.equal(state, [version, told, agreed, shown].join(" "), context);
              }
            }
          }
        } finally {
          stop();
        }
      };
      await Promise.all([walk("TLSv1.2"), walk("TLSv1.3")]);
      const old = await serve({ ...common, version: "TLSv1.1" });
      const asked = { name: undefined, protocol: undefined, identity: undefined };
      await assert.rejects(dialing(old.port, asked), /alert "?protocol version|unsupported protocol/);
      old.stop();
    });
  }
}

/** By kind, who a certificate says it is of. */
const CN: Readonly<Record<string, string>> = { right: "right", revoked: "revoked" };
