// A peer that ends in the middle of its request is answered, and the connection ends in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as net from "@zocalo/net";
import { listen } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT } from "./peers.ts";

const HALF_A_HEAD = "GET /ws HTTP/1.1\r\nHost: localhost\r\n";

/** Writes all of it, with the end right behind, and gives what comes until the server ends. */
async function answerTo(conn: net.Conn, said: string): Promise<string> {
  await conn.write(Buffer.from(said));
  await conn.closeWrite();
  let answer = "";
  for await (const bytes of conn) answer += String(Buffer.from(bytes));
  await conn.close();
  return answer;
}

test("half a head and the end are answered with 400 over TCP, then the connection ends in order", async () => {
  await using listener = await listen(ANY_PORT);
  const answer = await answerTo(await net.dial("tcp", String(listener.addr)), HALF_A_HEAD);
  assert.match(answer, /^HTTP\/1\.1 400 /);
});

test("half a head and the end are answered with 400 over TLS, then the connection ends in order", async () => {
  const identity = selfSigned("IP:127.0.0.1");
  const below = await net.listen("tls", ANY_PORT, identity);
  await using _ = await listen(below);
  const conn = await net.dial("tls", String(below.addr), { ca: identity.cert });
  assert.match(await answerTo(conn, HALF_A_HEAD), /^HTTP\/1\.1 400 /);
});

test("half a head and the end are answered with 400 behind a PROXY header, then the end is in order", async () => {
  const below = await net.listen("tcp", ANY_PORT, { proxyProtocol: { trusted: ["127.0.0.1"] } });
  await using _ = await listen(below);
  const conn = await net.dial("tcp", String(below.addr));
  const answer = await answerTo(conn, `PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n${HALF_A_HEAD}`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
});

test("half a head and the end are answered with 400 over memory, then the connection ends in order", async () => {
  const below = net.listenPipe();
  await using _ = await listen(below);
  assert.match(await answerTo(await below.dial(), HALF_A_HEAD), /^HTTP\/1\.1 400 /);
});
