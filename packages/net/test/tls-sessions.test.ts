// Sessions that are resumed, own verification, and the log of keys.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, test, type TestContext } from "node:test";
import { connect, type PeerCertificate } from "node:tls";
import { TestCertificates } from "@zocalo/integrity";
import {
  dial,
  type IpAddr,
  listen,
  type Refusal,
  type StreamListener,
  type TlsDialOptions,
  type TlsListenOptions,
  TlsSessions,
} from "@zocalo/net";

const certificates = new TestCertificates();
const { ca } = certificates;
const local = certificates.issue("local", ["localhost", "127.0.0.1"]);
const ana = certificates.issue("ana", ["ana.example"]);
after(() => certificates.remove());

async function open(
  t: TestContext,
  options: Partial<TlsListenOptions> = {},
): Promise<StreamListener<IpAddr>> {
  const listener = await listen("tls", "127.0.0.1:0", { cert: local.cert, key: local.key, ...options });
  t.after(() => listener.abort());
  return listener;
}

/** Dials, hears a word (of TLS 1.3 tickets come with it), and says whether the session was resumed. */
async function isResumed(
  listener: StreamListener<IpAddr>,
  options: TlsDialOptions,
): Promise<boolean | undefined> {
  const [client, server] = await Promise.all([
    dial("tls", String(listener.addr), { ca: ca.cert, ...options }),
    listener.accept(),
  ]);
  await server.write(Buffer.from("hola"));
  await client.readFull(4);
  const { tls } = client;
  assert.equal(tls?.peerCertificate?.subject.CN, "local");
  assert.equal(server.tls?.isResumed, tls?.isResumed);
  assert.equal(
    tls?.isAuthorized,
    options.dangerouslyAcceptAnyCertificate !== true || options.ca !== undefined,
  );
  await Promise.all([client.close(), server.close()]);
  return tls?.isResumed;
}

function addressOf({ addr }: StreamListener<IpAddr>): { host: string; port: number } {
  return { host: addr.host, port: addr.port };
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`the next dial resumes the session of before (${maxVersion}), and without a cache none does`, async (t) => {
    const listener = await open(t, { maxVersion });
    const sessions = new TlsSessions();
    assert.equal(await isResumed(listener, { sessions }), false);
    assert.equal(await isResumed(listener, { sessions }), true);
    assert.equal(await isResumed(listener, {}), false);
  });
}

test("a session that comes just as the connection is cut is kept with the certificate it was made with", async (t) => {
  const listener = await open(t, { maxVersion: "TLSv1.3" });
  const sessions = new TlsSessions();
  const kept: unknown[] = [];
  const keep = sessions.keep.bind(sessions);
  t.mock.method(sessions, "keep", (...[server, session]: Parameters<typeof keep>) => {
    kept.push(session.certificate.subject?.CN);
    keep(server, session);
  });
  const address = String(listener.addr);
  const [client, server] = await Promise.all([
    dial("tls", address, { ca: ca.cert, sessions }),
    listener.accept(),
  ]);
  await server.write(Buffer.from("hola"));
  await client.readFull(4); // The tickets came in the same portion, and Node tells of them in the next turn.
  client.abort();
  await new Promise((resolve) => setImmediate(resolve));
  server.abort();
  assert.deepEqual(new Set(kept), new Set(["local"]));
  assert.equal(await isResumed(listener, { sessions }), true);
});

test("a session is of one server, one name and one set of authorities", async (t) => {
  const listener = await open(t);
  const other = await open(t);
  const sessions = new TlsSessions();
  await isResumed(listener, { sessions });
  assert.equal(await isResumed(other, { sessions }), false);
  assert.equal(await isResumed(listener, { sessions, serverName: "localhost" }), false);
  assert.equal(await isResumed(listener, { sessions, ca: `${ca.cert}${ana.cert}` }), false);
  assert.equal(await isResumed(listener, { sessions }), true);
});

test("as many sessions are kept as the cache may have, and not one more", () => {
  const sessions = new TlsSessions({ maxSessions: 2 });
  const certificate = {} as PeerCertificate;
  for (const name of ["a", "b", "c"]) sessions.keep(name, { session: Buffer.from(name), certificate });
  assert.equal(sessions.size, 2);
  assert.deepEqual(
    ["a", "b", "c", "c"].map((name) => sessions.take(name)?.session.toString()),
    [undefined, "b", "c", undefined],
  );
  assert.throws(
    () => new TlsSessions({ maxSessions: 0 }),
    /maxSessions 0 is not a whole number of at least 1/,
  );
});

test("listeners that share their ticket keys resume each other's sessions (openssl s_client)", async (t) => {
  const ticketKeys = randomBytes(48);
  const first = await open(t, { ticketKeys, maxVersion: "TLSv1.2" });
  const second = await open(t, { ticketKeys, maxVersion: "TLSv1.2" });
  const stranger = await open(t, { maxVersion: "TLSv1.2" });
  const file = `${certificates.directory}/session.pem`;
  const sClient = async (listener: StreamListener<IpAddr>, ...args: string[]): Promise<string> => {
    const child = spawn("openssl", ["s_client", "-connect", String(listener.addr), ...args]);
    let said = "";
    child.stdout.on("data", (chunk) => (said += String(chunk)));
    child.stdin.end();
    await once(child, "close");
    return said;
  };
  assert.match(await sClient(first, "-sess_out", file), /^New, /m);
  assert.match(await sClient(second, "-sess_in", file), /^Reused, /m);
  assert.match(await sClient(stranger, "-sess_in", file), /^New, /m);
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a session without a certificate makes nobody authorized, nor lets them in where one is required (${maxVersion})`, async (t) => {
    const ticketKeys = randomBytes(48);
    const seen: unknown[] = [];
    const common = { maxVersion, ticketKeys, ca: ca.cert } as const;
    const verifyPeer = (certificate: PeerCertificate): void => void seen.push(certificate);
    const asking = await open(t, { ...common, clientCertificates: "request", verifyPeer });
    const tickets: Buffer[] = [];
    for (const resumes of [false, true]) {
      const session = tickets.at(-1);
      const client = connect({
        ...addressOf(asking),
        ca: ca.cert,
        servername: "localhost",
        ...(session && { session }),
      });
      client.on("session", (ticket: Buffer) => tickets.push(ticket));
      const [server] = await Promise.all([asking.accept(), once(client, "secureConnect")]);
      const { isResumed, isAuthorized, peerCertificate } = server.tls ?? {};
      assert.deepEqual([isResumed, isAuthorized, peerCertificate], [resumes, false, undefined]);
      await server.write(Buffer.from("hola"));
      await once(client, "data");
      while (tickets.length === 0) await once(client, "session");
      client.destroy();
      server.abort();
    }
    assert.deepEqual(seen, []);
    const refusals: Refusal[] = [];
    const strict = { ...common, clientCertificates: "require" } as const;
    const requiring = await open(t, { ...strict, onRefuse: (refusal) => refusals.push(refusal) });
    const session = tickets.at(-1);
    assert.ok(session);
    const stranger = connect({ ...addressOf(requiring), ca: ca.cert, servername: "localhost", session });
    stranger.on("error", () => undefined).resume();
    const accepting = requiring.accept();
    const cut = new Promise<string>((resolve) => stranger.once("close", () => resolve("cut")));
    assert.equal(await Promise.race([accepting, cut]), "cut");
    assert.match(String(refusals[0]?.error), /TLS/);
    await requiring.abort();
    await assert.rejects(accepting, { code: "closed" });
  });

  test(`a session that another authority let in is not resumed with the same ticket keys (${maxVersion})`, async (t) => {
    const ticketKeys = randomBytes(48);
    const clientCertificates = "require";
    const ours = await open(t, { ticketKeys, maxVersion, clientCertificates, ca: ca.cert });
    const same = await open(t, { ticketKeys, maxVersion, clientCertificates, ca: ca.cert });
    const theirs = await open(t, {
      ticketKeys,
      maxVersion,
      clientCertificates,
      ca: `${ca.cert}${local.cert}`,
    });
    const resumed: (boolean | undefined)[] = [];
    for (const listener of [same, theirs]) {
      let session: Buffer | undefined;
      for (const to of [ours, listener]) {
        const options = { ca: ca.cert, cert: ana.cert, key: ana.key, servername: "localhost" };
        const client = connect({ ...addressOf(to), ...options, ...(session && { session }) });
        client.on("session", (ticket: Buffer) => (session = ticket));
        const [server] = await Promise.all([to.accept(), once(client, "secureConnect")]);
        await server.write(Buffer.from("hola"));
        await once(client, "data");
        while (session === undefined) await once(client, "session");
        if (to === listener) resumed.push(server.tls?.isResumed);
        client.destroy();
        server.abort();
      }
    }
    assert.deepEqual(resumed, [true, false]);
  });
}

test("what verifyPeer throws refuses the server, with the reason, also for a session that is resumed", async (t) => {
  const refusals: Refusal[] = [];
  const listener = await open(t, { onRefuse: (refusal) => refusals.push(refusal) });
  const sessions = new TlsSessions();
  const seen: unknown[] = [];
  const verifyPeer: TlsDialOptions["verifyPeer"] = ({ subject }) => void seen.push(subject.CN);
  await isResumed(listener, { sessions, verifyPeer });
  assert.equal(await isResumed(listener, { sessions, verifyPeer }), true);
  assert.deepEqual(seen, ["local", "local"]);
  const refuse = (): never => {
    throw new Error("not the pinned key");
  };
  for (const more of [{}, { sessions }]) {
    const dialed = dial("tls", String(listener.addr), { ca: ca.cert, verifyPeer: refuse, ...more });
    await assert.rejects(dialed, { code: "tls", message: /not the pinned key/ });
  }
  const any = { dangerouslyAcceptAnyCertificate: true, verifyPeer: refuse };
  await assert.rejects(dial("tls", String(listener.addr), any), /verifyPeer is not asked/);
});

test("what verifyPeer throws refuses a client, and who shows no certificate is not looked at", async (t) => {
  const refusals: Refusal[] = [];
  const listener = await open(t, {
    ca: ca.cert,
    clientCertificates: "request",
    verifyPeer: ({ subject }) => {
      if (subject.CN === "ana") throw new Error("ana has left");
    },
    onRefuse: (refusal) => refusals.push(refusal),
  });
  assert.equal(await isResumed(listener, {}), false);
  await assert.rejects(async () => {
    const conn = await dial("tls", String(listener.addr), { ca: ca.cert, cert: ana.cert, key: ana.key });
    if ((await conn.read()) === null) throw new Error("ended");
  });
  assert.match(String(refusals[0]?.error), /the client's certificate is refused: ana has left/);
});

test("the keys of both sides are told, line by line, and are the same", async (t) => {
  const ofServer: string[] = [];
  const ofClient: string[] = [];
  const listener = await open(t, { dangerouslyLogKeys: (line) => ofServer.push(line) });
  await isResumed(listener, { dangerouslyLogKeys: (line) => ofClient.push(line) });
  assert.ok(ofClient.some((line) => /^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]{64,96}$/.test(line)));
  assert.deepEqual(ofClient.toSorted(), ofServer.toSorted());
});
