// What a program without types passes by mistake is refused at once, in words that say what was meant.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, framed, lines, listen, listenPacket, parseAddr, peers, pipe } from "@zocalo/net";
import { lineCodec } from "../src/framing/lines.ts";

const untyped = (value: unknown): never => value as never;

for (const [mistake, message] of [
  [8080, /address is of type number, and not a string such as "127\.0\.0\.1:8080"/],
  [undefined, /address is of type undefined, and not a string/],
  [null, /address is null, and not a string/],
] as const) {
  test(`an address that is ${String(mistake)} is refused`, async () => {
    const refusal = { code: "invalid_address", message };
    await assert.rejects(listen("tcp", untyped(mistake)), refusal);
    await assert.rejects(dial("tcp", untyped(mistake)), refusal);
    await assert.rejects(dial("udp", untyped(mistake)), refusal);
    await assert.rejects(listenPacket("udp", untyped(mistake)), refusal);
    assert.throws(() => parseAddr("unix", untyped(mistake)), { code: "invalid_address" });
  });
}

test("an address object is no address to dial, and the message shows what to write", async () => {
  const addr = parseAddr("tcp", "127.0.0.1:9");
  const message = /address is of type object, and not a string such as .*String\(listener\.addr\)/;
  await assert.rejects(dial("tcp", untyped(addr)), { code: "invalid_address", message });
});

for (const network of ["tcp", "tls", "unix"] as const) {
  test(`listen("${network}") refuses an object that is no inherited socket`, async () => {
    const refusal = { code: "invalid_argument", message: /an inherited socket has no option "port"/ };
    await assert.rejects(listen(untyped(network), untyped({ port: 0 })), refusal);
    const address = { code: "invalid_argument", message: /an inherited socket has no option/ };
    await assert.rejects(listen(untyped(network), untyped(parseAddr("tcp", "127.0.0.1:0"))), address);
    await assert.rejects(listen(untyped(network), untyped({})), /fd undefined is not a descriptor/);
  });
}

test("a promise, and what is neither a connection nor a listener, cannot be framed", () => {
  for (const mistake of [Promise.resolve(), {}, undefined, null, "127.0.0.1:0"]) {
    const refusal = { code: "invalid_argument", message: /neither a connection nor a listener/ };
    assert.throws(() => lines(untyped(mistake)), refusal);
    assert.throws(() => framed(untyped(mistake), lineCodec), refusal);
  }
  assert.throws(() => lines(untyped(Promise.resolve())), /a promise, which is neither .*: await it/);
});

test("a handler without its function is refused, and reading goes on", async () => {
  const [a, b] = pipe();
  const refusal = (name: string) => ({
    code: "invalid_argument",
    message: new RegExp(`handler has no function "${name}"`),
  });
  for (const mistake of [{}, { data: true }, { onData() {} }])
    assert.throws(() => b.serve(untyped(mistake)), refusal("data"));
  await a.write(Buffer.from("hola\n"));
  const conn = lines(b);
  for (const mistake of [{}, { data() {} }])
    assert.throws(() => conn.serve(untyped(mistake)), refusal("message"));
  assert.equal(String(await conn.receive()), "hola");
  a.abort();

  const socket = await listenPacket("udp", "127.0.0.1:0");
  assert.throws(() => socket.serve(untyped({ data() {} })), refusal("message"));
  await socket.close();
});

test("peers of a promise are refused", () => {
  const message = /a promise, which is not a datagram socket: await it/;
  assert.throws(() => peers(untyped(Promise.resolve())), { code: "invalid_argument", message });
});
