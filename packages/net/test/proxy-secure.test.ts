// `dial("tcp" | "tls")` through `https:` proxies, which are written here on Node's TLS.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect as nodeConnect, Socket } from "node:net";
import { after, test, type TestContext } from "node:test";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { TestCertificates } from "@zocalo/integrity";
import { type Conn, dial, listen, type TlsDialOptions } from "@zocalo/net";
import {
  closed,
  echoes,
  echoesOnce,
  echoing,
  fails,
  granted,
  handmade,
  LOGIN,
  PASSWORD,
  USER,
} from "./proxies.ts";

const certificates = new TestCertificates();
after(() => certificates.remove());

/** An `https:` proxy written here: told of each CONNECT, and has both sides of its tunnel. */
async function secured(t: TestContext, tunnel: (inner: TLSSocket, outer: Socket) => void = pipeBoth) {
  const { cert, key } = certificates.issue("proxy", ["127.0.0.1"]);
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const server = createTlsServer({ cert, key, allowHalfOpen: true }, (inner) => {
    inner.once("data", (head: Buffer) => {
      asked.push(String(head));
      const port = Number(/^CONNECT [^ ]*:(\d+) /.exec(String(head))?.[1]);
      const outer = nodeConnect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
        inner.write(granted.http);
        tunnel(inner, outer);
      });
      sockets.add(outer.on("error", () => inner.destroy()));
    });
    inner.on("error", () => undefined);
  });
  server.on("connection", (socket) => sockets.add(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { asked, proxy: `https://${LOGIN}@127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function pipeBoth(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
}

function dialOn(network: "tcp" | "tls", address: string, options: TlsDialOptions): Promise<Conn> {
  return network === "tcp" ? dial("tcp", address, options) : dial("tls", address, options);
}

const proxyTls = { ca: certificates.ca.cert };

for (const network of ["tcp", "tls"] as const) {
  test(`dial("${network}") goes through an https: proxy, whose certificate is its own`, async (t) => {
    await using server = await echoing(certificates, network);
    const { asked, proxy } = await secured(t);
    const options = { proxy, proxyTls, ...(network === "tls" ? { ca: certificates.ca.cert } : {}) };
    const conn = await dialOn(network, `localhost:${server.port}`, options);
    assert.equal(String(conn.remoteAddr), `localhost:${server.port}`);
    assert.equal(conn.tls?.peerCertificate?.subject.CN, network === "tls" ? "localhost" : undefined);
    await echoes(conn);
    const login = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
    assert.equal(asked.length, 1);
    assert.match(asked[0] ?? "", /^CONNECT localhost:/);
    assert.ok(asked[0]?.includes(`Basic ${login}`));
  });

  test(`dial("${network}") trusts no https: proxy by what it trusts the server with`, async (t) => {
    const { asked, proxy } = await secured(t);
    const options = network === "tls" ? { ca: certificates.ca.cert } : {};
    const dialed = dialOn(network, "localhost:9", { proxy, ...options });
    const told = new RegExp(
      `^dial ${network} localhost:9: TLS with proxy 127\\.0\\.0\\.1:\\d+ failed: .*(?:verify|issuer)`,
    );
    await fails(dialed, "tls", told);
    assert.deepEqual(asked, []);
  });

  test(`an https: proxy that cuts the tunnel of dial("${network}") is not taken for the server's end`, async (t) => {
    await using server = await echoing(certificates, network);
    for (const cut of ["in order", "below TLS"]) {
      let tunnel: TLSSocket | undefined;
      const { proxy } = await secured(t, (inner, outer) => {
        tunnel = inner;
        inner.pipe(outer).pipe(inner, { end: false });
      });
      const options = { proxy, proxyTls, ...(network === "tls" ? { ca: certificates.ca.cert } : {}) };
      const conn = await dialOn(network, `localhost:${server.port}`, options);
      await echoesOnce(conn);
      const reading = conn.read();
      const below: unknown = tunnel && Reflect.get(tunnel, "_parent");
      if (cut === "below TLS" && below instanceof Socket) below.end();
      else tunnel?.end();
      // What the proxy ends in order over TLS is, without TLS behind it, all that can be known of an end.
      if (network === "tcp" && cut === "in order") assert.equal(await reading, null);
      else await assert.rejects(reading, { code: "truncated" }, cut);
      conn.abort();
    }
  });
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a server that is refused behind an https: proxy ends its dial and nothing else (${maxVersion})`, async (t) => {
    const { cert, key } = certificates.issue("behind", ["localhost"]);
    const server = await listen("tls", "127.0.0.1:0", { cert, key, maxVersion });
    t.after(() => server.abort());
    const { proxy } = await secured(t);
    const address = `localhost:${server.addr.port}`;
    // What would tell the server, written below Node's own writes, ends the process.
    for (let dials = 0; dials < 3; dials++) {
      await fails(dial("tls", address, { proxy, proxyTls }), "tls", /certificate|issuer/);
    }
    const verifyPeer = (): void => {
      throw new Error("not this one");
    };
    const pinned = { proxy, proxyTls, ca: certificates.ca.cert, verifyPeer };
    await fails(dial("tls", address, pinned), "tls", /not this one/);
  });
}

test("a signal ends the handshake with an https: proxy that says nothing", async () => {
  const controller = new AbortController();
  await using proxy = await handmade(() => controller.abort());
  const url = `https://${LOGIN}@127.0.0.1:${proxy.port}`;
  await fails(dial("tcp", "x.example:80", { proxy: url, signal: controller.signal }), "canceled", /canceled/);
  await closed(proxy.open);
});

test("an https: proxy has as long for the handshake as proxyTls says, and no more", async () => {
  await using proxy = await handmade((socket) => void socket.resume());
  const options = { proxy: `https://127.0.0.1:${proxy.port}`, proxyTls: { handshakeTimeoutMs: 1 } };
  const dialed = dial("tls", "x.example:80", options);
  await fails(
    dialed,
    "timeout",
    /TLS with proxy 127\.0\.0\.1:\d+ failed: the TLS handshake was not over within 1 ms/,
  );
  await closed(proxy.open);
});

test("what proxyTls names is read before anybody is dialed", async () => {
  let asked = 0;
  const resolver = async (): Promise<string[]> => {
    asked++;
    return ["127.0.0.1"];
  };
  const options = { proxy: "https://proxy.example:9", proxyTls: { ca: "nonsense" }, resolver };
  const message = /TLS with proxy proxy\.example:9 failed: .*ca holds no certificate/;
  await fails(dial("tcp", "x.example:80", options), "tls", message);
  await fails(dial("tls", "x.example:80", options), "tls", message);
  assert.equal(asked, 0);
});

test("names and values of proxyTls are checked", async () => {
  for (const [wrong, message] of [
    [{ caa: "" }, /proxyTls has no option "caa"/],
    [{ dangerouslyAcceptTruncation: true }, /proxyTls has no option "dangerouslyAcceptTruncation"/],
    [{ ca: 1 }, /ca is of type number/],
    [true, /proxyTls is of type boolean/],
  ] as const) {
    const options: object = { proxyTls: wrong };
    await fails(dial("tcp", "127.0.0.1:9", options), "invalid_argument", message);
    await fails(dial("tls", "127.0.0.1:9", options), "invalid_argument", message);
  }
});
