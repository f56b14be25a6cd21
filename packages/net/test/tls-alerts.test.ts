// A certificate that fails verification ends with the alert of RFC 8446 §6.2, and both sides learn the
// reason.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test, type TestContext } from "node:test";
import { connect } from "node:tls";
import {
  dial,
  type IpAddr,
  listen,
  type Refusal,
  type StreamListener,
  type TlsListenOptions,
} from "@zocalo/net";
import { TestCertificates, type TestIdentity } from "@zocalo/integrity";

const ours = new TestCertificates();
const theirs = new TestCertificates();
after(() => {
  ours.remove();
  theirs.remove();
});
const { ca } = ours;
const server = ours.issue("server", ["localhost", "127.0.0.1"], 2, "serverAuth");

const clients = {
  good: ours.issue("good", ["client.example"], 2, "clientAuth"),
  stranger: theirs.issue("stranger", ["client.example"]),
  expired: ours.issue("expired", ["client.example"], -1),
  "wrong use": ours.issue("wrong", ["client.example"], 2, "serverAuth"),
} satisfies Record<string, TestIdentity>;

const servers = {
  stranger: theirs.issue("stranger-server", ["localhost", "127.0.0.1"]),
  expired: ours.issue("expired-server", ["localhost", "127.0.0.1"], -1),
  "wrong use": ours.issue("wrong-server", ["localhost", "127.0.0.1"], 2, "clientAuth"),
  "wrong name": ours.issue("named-server", ["elsewhere.example"]),
} satisfies Record<string, TestIdentity>;

/**
 * What openssl says of an alert: its number. RFC 8446 §6: unknown_ca, certificate_expired,
 * unsupported_certificate, bad_certificate.
 */
const ALERT = { stranger: 48, expired: 45, "wrong use": 43, "wrong name": 42 } as const;
const WORDS = {
  stranger: ["unknown ca", /unable to verify the first certificate/],
  expired: ["certificate expired", /certificate has expired/],
  "wrong use": ["unsupported certificate", /(?:unsuitable|unsupported) certificate purpose/],
  "wrong name": ["bad certificate", /altnames/],
} as const;

const versions = ["TLSv1.2", "TLSv1.3"] as const;
type Version = (typeof versions)[number];

class Door {
  readonly listener: StreamListener<IpAddr>;
  readonly #refusals: Refusal[] = [];
  readonly #waiting: ((refusal: Refusal) => void)[] = [];

  static async open(t: TestContext, options: TlsListenOptions): Promise<Door> {
    const door = new Door(
      await listen("tls", "127.0.0.1:0", { ...options, onRefuse: (refusal) => door.#told(refusal) }),
    );
    t.after(() => door.listener.abort());
    void door.#echo();
    return door;
  }

  private constructor(listener: StreamListener<IpAddr>) {
    this.listener = listener;
  }

  get address(): string {
    return String(this.listener.addr);
  }

  refusal(): Promise<Refusal> {
    const told = this.#refusals.shift();
    return told ? Promise.resolve(told) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #echo(): Promise<void> {
    for await (const conn of this.listener) conn.serve({ data: (bytes) => conn.write(bytes) });
  }

  #told(refusal: Refusal): void {
    const next = this.#waiting.shift();
    if (next) next(refusal);
    else this.#refusals.push(refusal);
  }
}

/** Runs openssl to its end; what it says on both outputs. */
async function openssl(args: readonly string[], input: string): Promise<string> {
  const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (bytes) => (said += String(bytes)));
  child.stderr.on("data", (bytes) => (said += String(bytes)));
  child.stdin.on("error", () => undefined);
  child.stdin.write(input);
  await once(child, "close");
  return said;
}

const flag = (version: Version): string => (version === "TLSv1.2" ? "-tls1_2" : "-tls1_3");

for (const version of versions) {
  for (const fault of ["stranger", "expired", "wrong use"] as const) {
    test(`${version}: a client's certificate that is refused (${fault}) is told to openssl by its alert`, async (t) => {
      const door = await Door.open(t, { ...server, ca: ca.cert, clientCertificates: "require" });
      const { certFile, keyFile } = clients[fault];
      const said = await openssl(
        [
          "s_client",
          "-connect",
          door.address,
          flag(version),
          "-cert",
          certFile,
          "-key",
          keyFile,
          "-CAfile",
          ca.certFile,
        ],
        "hola\n",
      );
      assert.match(said, new RegExp(`SSL alert number ${ALERT[fault]}\\b`));
      const { reason, error } = await door.refusal();
      assert.deepEqual([reason, error?.code], ["handshake", "tls"]);
      assert.match(error?.message ?? "", /the client's certificate is refused/);
      assert.match(error?.message ?? "", WORDS[fault][1]);
    });

    test(`${version}: and to node:tls (${fault}), also if it writes at once`, async (t) => {
      const door = await Door.open(t, { ...server, ca: ca.cert, clientCertificates: "require" });
      const { cert, key } = clients[fault];
      const { port } = door.listener.addr;
      for (let round = 0; round < 5; round++) {
        const socket = connect({ port, host: "127.0.0.1", ca: ca.cert, cert, key, maxVersion: version });
        socket.write("hola");
        const [error] = (await once(socket, "error")) as [Error];
        assert.match(error.message, new RegExp(`alert ${WORDS[fault][0]}`));
        assert.match((await door.refusal()).error?.message ?? "", WORDS[fault][1]);
      }
    });
  }

  test(`${version}: no certificate is told, too, and an honest client beside it is served`, async (t) => {
    const door = await Door.open(t, { ...server, ca: ca.cert, clientCertificates: "require" });
    const said = await openssl(["s_client", "-connect", door.address, flag(version)], "hola\n");
    // certificate_required is of TLS 1.3; before, handshake_failure.
    assert.match(said, new RegExp(`SSL alert number ${version === "TLSv1.3" ? 116 : 40}\\b`));
    assert.match((await door.refusal()).error?.message ?? "", /peer did not return a certificate/);
    const { cert, key } = clients.good;
    const conn = await dial("tls", door.address, { ca: ca.cert, cert, key });
    await conn.write(Buffer.from("hola"));
    assert.equal(String(await conn.readFull(4)), "hola");
    conn.abort();
  });

  for (const fault of ["stranger", "expired", "wrong use", "wrong name"] as const) {
    test(`${version}: a server's certificate that is refused (${fault}) is told to openssl by its alert`, async () => {
      const { certFile, keyFile } = servers[fault];
      const child = spawn("openssl", [
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-naccept",
        "1",
        flag(version),
        "-cert",
        certFile,
        "-key",
        keyFile,
      ]);
      let said = "";
      const port = new Promise<string>((resolve) => {
        const hear = (bytes: unknown): void => {
          said += String(bytes);
          const [, found] = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(said) ?? [];
          if (found !== undefined) resolve(found);
        };
        child.stdout.on("data", hear);
        child.stderr.on("data", hear);
      });
      const ended = once(child, "close");
      await assert.rejects(dial("tls", `127.0.0.1:${await port}`, { ca: ca.cert }), {
        code: "tls",
        op: "dial",
        message: WORDS[fault][1],
      });
      await ended;
      assert.match(said, new RegExp(`SSL alert number ${ALERT[fault]}\\b`));
    });
  }
}

for (const fault of ["stranger", "expired", "wrong use", "wrong name"] as const) {
  test(`a listener learns why its certificate was refused (${fault})`, async (t) => {
    const door = await Door.open(t, servers[fault]);
    await assert.rejects(dial("tls", door.address, { ca: ca.cert }), {
      code: "tls",
      message: WORDS[fault][1],
    });
    const { error } = await door.refusal();
    assert.equal(error?.code, "tls");
    assert.match(error?.message ?? "", new RegExp(`refused with the alert "${WORDS[fault][0]}"`));
  });
}

test("a dial is told by its first read why its certificate was refused", async (t) => {
  const door = await Door.open(t, { ...server, ca: ca.cert, clientCertificates: "require" });
  for (const fault of ["stranger", "expired", "wrong use"] as const) {
    const { cert, key } = clients[fault];
    const conn = await dial("tls", door.address, { ca: ca.cert, cert, key });
    const message = new RegExp(`refused with the alert "${WORDS[fault][0]}"`);
    await assert.rejects(conn.read(), { code: "tls", op: "read", message });
  }
});

test("the alert is right for each cipher suite of TLS 1.3", async (t) => {
  const door = await Door.open(t, { ...server, ca: ca.cert, clientCertificates: "require" });
  const { certFile, keyFile } = clients.expired;
  for (const suite of ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]) {
    const said = await openssl(
      ["s_client", "-connect", door.address, "-ciphersuites", suite, "-cert", certFile, "-key", keyFile],
      "hola\n",
    );
    assert.match(said, /SSL alert number 45\b/, suite);
    await door.refusal();
  }
});
