// `zocalo dial`, `dial -z` and `relay` through a proxy: streams, as WebSockets.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { listen } from "@zocalo/net";
import { selfSigned } from "./terminal-certificates.ts";
import { readAll, run, tcpServer, Terminal } from "./terminal-process.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-proxy-"));
const { certFile, keyFile } = selfSigned(directory, ["square.test"]);
after(() => rmSync(directory, { recursive: true }));

/** An HTTP proxy that notes what it is asked for, and connects to this port whatever that is. */
async function proxyTo(port: number) {
  const asked: string[] = [];
  const { port: own, ...proxy } = await tcpServer((socket) => {
    socket.once("data", (request) => {
      asked.push(request.toString().split(" HTTP")[0] ?? "");
      const onward = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      onward.on("error", () => socket.destroy());
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
  });
  return { asked, url: `http://127.0.0.1:${own}`, ...proxy };
}

/** Sends everything back. */
async function echo(network: "tcp" | "tls") {
  const listener = await (network === "tls"
    ? listen("tls", "127.0.0.1:0", { certFile, keyFile })
    : listen("tcp", "127.0.0.1:0"));
  const serving = (async () => {
    for await (const conn of listener) conn.serve({ data: (bytes) => conn.write(bytes) });
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      await listener.abort();
      await serving;
    },
  };
}

for (const network of ["tcp", "tls"] as const) {
  test(`dial ${network}:// goes through the proxy, which finds the server`, async () => {
    await using server = await echo(network);
    using proxy = await proxyTo(server.port);
    const trust = network === "tls" ? `--ca ${certFile}` : "";
    const { code, stdout, stderr } = await run(
      `dial ${network}://square.test:7000 --proxy ${proxy.url} ${trust}`,
      "hola",
    );
    assert.deepEqual([code, String(stdout), stderr], [0, "hola", ""]);
    assert.deepEqual(proxy.asked, ["CONNECT square.test:7000"]);
  });
}

test("dial -z looks whether a port is open from where the proxy stands", async () => {
  await using server = await echo("tcp");
  using proxy = await proxyTo(server.port);
  const { code, stdout } = await run(`dial -z tcp://square.test:7000 --proxy ${proxy.url}`);
  assert.equal(code, 0);
  assert.match(String(stdout), /"url":"tcp:\/\/square\.test:7000","isOpen":true/);
  assert.deepEqual(proxy.asked, ["CONNECT square.test:7000"]);
});

test("relay dials TO through the proxy", async () => {
  await using server = await echo("tcp");
  using proxy = await proxyTo(server.port);
  await using relay = new Terminal(`relay tcp://127.0.0.1:0 tcp://square.test:7000 --proxy ${proxy.url}`);
  const { port } = await relay.read().listening();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end("hola");
  assert.equal(String(await readAll(socket)), "hola");
  assert.deepEqual(proxy.asked, ["CONNECT square.test:7000"]);
});

test("a proxy that cannot be used is told in one sentence, without its password", async () => {
  const { port, ...gone } = await tcpServer(() => undefined);
  gone[Symbol.dispose]();
  const silent = `dial tcp://square.test:7000 --proxy socks5://ana:sesame@127.0.0.1:${port}`;
  for (const command of [silent, "dial tcp://square.test:7000 --proxy ftp://ana:sesame@square.test"]) {
    const { code, stderr } = await run(command);
    assert.equal(code, command === silent ? 1 : 2, stderr);
    assert.match(stderr, /^zocalo: .*proxy.*\n$/);
    assert.doesNotMatch(stderr, /sesame/);
  }
});
