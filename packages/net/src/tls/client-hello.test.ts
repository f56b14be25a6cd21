import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { type ClientHello, HelloReader } from "./client-hello.ts";

const readClientHello = (bytes: Buffer): ClientHello | undefined => new HelloReader().add(bytes);

/** What a client of Node's sends first. */
async function helloOf(servername: string | undefined): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const client = connect({
    port: address.port,
    host: "127.0.0.1",
    ...(servername === undefined ? {} : { servername }),
  });
  client.on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

/** The same message in records of so many bytes each. */
function fragmented(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const fragment = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, fragment.length >> 8, fragment.length & 255]), fragment);
  }
  return Buffer.concat(records);
}

test("the name is found, in whatever pieces the message comes, and only when all of it is there", async () => {
  const hello = await helloOf("A.Example.org");
  assert.deepEqual(readClientHello(hello), { serverName: "a.example.org" });
  for (let length = 0; length < hello.length; length++) {
    assert.equal(readClientHello(hello.subarray(0, length)), undefined, `${length} of ${hello.length} bytes`);
  }
  for (const size of [1, 7, 100]) {
    const records = fragmented(hello, size);
    assert.deepEqual(readClientHello(records), { serverName: "a.example.org" });
    assert.equal(readClientHello(records.subarray(0, -1)), undefined);
  }
  for (const bytes of [hello, fragmented(hello, 1), fragmented(hello, 7)]) {
    const reader = new HelloReader();
    for (let at = 0; at < bytes.length - 1; at++) {
      assert.equal(reader.add(bytes.subarray(at, at + 1)), undefined);
    }
    assert.deepEqual(reader.add(bytes.subarray(-1)), { serverName: "a.example.org" });
    assert.deepEqual(reader.received, bytes);
  }
  assert.deepEqual(readClientHello(Buffer.concat([hello, Buffer.from("what follows")])), {
    serverName: "a.example.org",
  });
});

test("a client that asks for no name has none", async () => {
  assert.deepEqual(readClientHello(await helloOf(undefined)), { serverName: undefined });
});

test("what is no ClientHello is left to OpenSSL as soon as that is known", () => {
  const nothing = { serverName: undefined };
  for (const text of [
    "GET / HTTP/1.1",
    "x",
    "\x16\x02",
    "\x80\x2e\x01",
    "\x16\x03\x01\x00\x00",
    "\x16\x03\x01\x00\x01\x02",
  ]) {
    assert.deepEqual(readClientHello(Buffer.from(text, "latin1")), nothing, JSON.stringify(text));
  }
  // One that announces more than is allowed: a byte is one too many.
  const announcing = (hex: string): Buffer => Buffer.from(`1603010005${hex}03`, "hex");
  assert.equal(readClientHello(announcing("01003ffc")), undefined);
  assert.deepEqual(readClientHello(announcing("01003ffd")), nothing);
});

test("a message that is cut up by its own lengths is read without harm", async () => {
  const hello = await helloOf("a.example");
  for (let at = 5 + 38; at < hello.length; at++) {
    for (const value of [0, 255]) {
      const changed = Buffer.from(hello);
      changed[at] = value;
      readClientHello(changed);
    }
  }
});
