// The binary form from end to end: the SDK, a WebSocket, the hub, a stream, and peers that speak JSON only.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@zocalo/client";
import { binaryDial } from "@zocalo/client/binary";
import { Hub, streamFraming } from "@zocalo/hub";
import { dial, framed, listen } from "@zocalo/net";
import {
  BINARY_SUBPROTOCOL,
  decodeBinaryMessage,
  encodeBinaryCommand,
  type ReceivedMessage,
} from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const namespaces = {
  doc: { subscribe: "anyone", publish: "anyone", data: "bytes" },
  plaza: { subscribe: "anyone", publish: "anyone" },
} as const;
const dialBinary = binaryDial((url, { signal }) =>
  websocket.dial(url, { signal, subprotocols: [BINARY_SUBPROTOCOL] }),
);
const dialJson = (url: string, { signal }: { readonly signal: AbortSignal }) =>
  websocket.dial(url, { signal });

test("the SDK publishes bytes, and has bytes, whichever form it and the others speak", async () => {
  const hub = new Hub({ namespaces });
  const listener = await websocket.listen("127.0.0.1:0", { subprotocols: [BINARY_SUBPROTOCOL] });
  void hub.serve(listener);
  const url = `ws://${String(listener.addr)}`;
  const kinds: string[] = [];
  const watched = binaryDial(async (target, { signal }) => {
    const conn = await websocket.dial(target, { signal, subprotocols: [BINARY_SUBPROTOCOL] });
    const trySend = conn.trySend.bind(conn);
    conn.trySend = (message) => {
      kinds.push(typeof message);
      return trySend(message);
    };
    return conn;
  });
  await using ana = connect(url, { dial: watched, info: { name: "Ana" } });
  await using tina = connect(url, { dial: dialJson });
  for (const [from, to] of [
    [ana, tina],
    [tina, ana],
  ] as const) {
    const heard = to.channel<Uint8Array>("doc:x").subscribe()[Symbol.asyncIterator]();
    const next = heard.next();
    await to.channel("doc:x").history(); // by now it is subscribed
    await from.channel<Uint8Array>("doc:x").publish(BYTES);
    const { value } = await next;
    assert.deepEqual(Uint8Array.from(value?.data ?? []), BYTES);
    await heard.return?.();
    const { publications } = await to.channel<Uint8Array>("doc:x").history({ limit: 1 });
    assert.deepEqual(Uint8Array.from(publications[0]?.data ?? []), BYTES);
  }
  await ana.channel("plaza:x").publishJson('{"n":1688888483063664642}');
  const { publications } = await tina.channel("plaza:x").history();
  assert.equal(publications[0]?.json, '{"n":1688888483063664642}');
  assert.deepEqual(publications[0]?.info, { name: "Ana" });
  assert.deepEqual(new Set(kinds), new Set(["object"]), "all that it sent was binary");
  await assert.rejects(ana.channel<Uint8Array>("plaza:x").publish(BYTES), { code: "bad_command" });
  await hub.close();
});

test("with a server that does not speak the binary form the SDK speaks JSON", async () => {
  const hub = new Hub({ namespaces });
  const listener = await websocket.listen("127.0.0.1:0");
  void hub.serve(listener);
  await using ana = connect(`ws://${String(listener.addr)}`, { dial: dialBinary });
  const { offset } = await ana.channel<Uint8Array>("doc:x").publish(BYTES);
  assert.equal(offset, 1);
  await hub.close();
});

test("a stream that begins with a message of the binary form is answered in it, and one that begins with a line in lines", async () => {
  const hub = new Hub({ namespaces });
  const listener = framed(await listen("tcp", "127.0.0.1:0"), streamFraming);
  void hub.serve(listener);
  const binary = await dial("tcp", String(listener.addr));
  const both = [
    encodeBinaryCommand({ type: "subscribe", id: 1, channel: "doc:x" }),
    encodeBinaryCommand({ type: "ping", id: 2 }),
  ];
  for (const byte of Buffer.concat(both)) await binary.write(Uint8Array.of(byte));
  const conn = framed(binary, streamFraming);
  const types: ReceivedMessage["type"][] = [];
  for (let count = 0; count < 2; count++) {
    const message = await conn.receive();
    assert.ok(message instanceof Uint8Array);
    types.push(decodeBinaryMessage(message)?.type ?? "error");
  }
  assert.deepEqual(types, ["subscribed", "pong"]);
  await conn.close();
  const lines = framed(await dial("tcp", String(listener.addr)), streamFraming);
  await lines.send('\uFEFF{"type":"ping"}');
  assert.equal(await lines.receive(), '{"type":"pong"}');
  await lines.close();
  await hub.close();
});
