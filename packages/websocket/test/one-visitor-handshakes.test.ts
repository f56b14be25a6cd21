// One visitor begins what it does not finish, of TLS and of HTTP; an honest client beside it notices nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { listen } from "../src/index.ts";
import { ANY_PORT, portOf, upgradeRequest } from "./peers.ts";
import { echoAll, exemptAddresses, GREEDY, HONEST, tls, Visitor } from "./visitor.ts";

test("what has not asked yet is half-open, silent or half a head; one past maxHalfOpenPerAddress is closed", async (t) => {
  await using listener = await listen(ANY_PORT, { maxHalfOpenPerAddress: 3, exemptAddresses });
  echoAll(listener);
  const port = portOf(listener);
  const silent = await Visitor.from(GREEDY, port);
  const oneByte = await Visitor.from(GREEDY, port);
  oneByte.socket.write("G");
  const half = await Visitor.from(GREEDY, port);
  const request = upgradeRequest({ "X-Long": "x".repeat(8000) });
  half.socket.write(request.slice(0, -2));
  const past = await Visitor.from(GREEDY, port);
  assert.equal(await past.rest(), "", "one past it is not answered");
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);

  // Who asks is no longer half-open, whichever way its request is read.
  await half.upgrade(request.slice(-2));
  await silent.upgrade();
  const others = [await Visitor.from(GREEDY, port), await Visitor.from(GREEDY, port)];
  for (const visitor of others) await visitor.upgrade();
  for (const visitor of [half, silent, ...others]) await visitor.roundTrip();
  for (const { socket } of [silent, oneByte, half, honest, ...others]) socket.destroy();
});

test("a head that comes a byte at a time, each in time, is cut all the same", async (t) => {
  await using listener = await listen(ANY_PORT, { handshakeTimeoutMs: 400 });
  echoAll(listener);
  const port = portOf(listener);
  const slow = await Visitor.from(HONEST, port);
  const head = upgradeRequest({ "X-Long": "x".repeat(8000) });
  let at = 0;
  const sending = setInterval(() => {
    slow.socket.write(head.charAt(at));
    at++;
  }, 10);
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  await slow.rest();
  clearInterval(sending);
  assert.ok(at < head.length);
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);
  honest.socket.destroy();
});

test("a client of HTTP that asks for pages only is cut after the handshake timeout, too", async () => {
  await using listener = await listen(ANY_PORT, { handshakeTimeoutMs: 400 });
  echoAll(listener);
  const reader = await Visitor.from(HONEST, portOf(listener));
  const asking = setInterval(() => reader.socket.write("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), 20);
  assert.match(await reader.rest(), /^HTTP\/1\.1 426 /);
  clearInterval(asking);
});

test("sixteen requests that are no upgrade may wait for their answers; with one more the connection is cut", async (t) => {
  await using listener = await listen(ANY_PORT);
  echoAll(listener);
  const port = portOf(listener);
  const request = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
  const greedy = await Visitor.from(GREEDY, port);
  greedy.socket.write(request.repeat(16));
  await greedy.upgradeBehind(16);
  const past = await Visitor.from(GREEDY, port);
  past.socket.write(request.repeat(17));
  await past.rest();
  await greedy.roundTrip();
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);
  for (const { socket } of [greedy, honest]) socket.destroy();
});

test("handshakes of TLS that stop half-way hold a port for nobody else", async (t) => {
  await using listener = await listen(ANY_PORT, { tls, maxHandshakesPerAddress: 2, exemptAddresses });
  echoAll(listener);
  const port = portOf(listener);
  const silent = await Visitor.from(GREEDY, port);
  const half = await Visitor.from(GREEDY, port);
  half.socket.write(Buffer.from([22, 3, 1]));
  const past = await Visitor.from(GREEDY, port);
  assert.equal(await past.rest(), "");
  const honest = await (await Visitor.secureFrom(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);

  half.socket.write("no TLS at all\r\n\r\n");
  await half.rest();
  // One after the other: each has its room back when its handshake is over.
  for (let count = 0; count < 3; count++) {
    const next = await (await Visitor.secureFrom(GREEDY, port)).upgrade();
    await next.roundTrip();
    next.socket.destroy();
  }
  for (const { socket } of [silent, honest]) socket.destroy();
});
