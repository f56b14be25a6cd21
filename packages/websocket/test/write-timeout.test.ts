// A peer that does not read, but sends: keepalive takes it for alive, and rightly so.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectSecurely, createServer as createSecureServer } from "node:tls";
import { hasProgressed, type WriteProgress, writeProgress } from "@zocalo/net/transport";
import { dial } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, ended, fill, RawPeer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

const ping = frameFrom("client", 0x89, "p");

test("a peer that never reads, but sends, is cut; others do not notice", async () => {
  await using server = await accepting({ writeTimeoutMs: 40, sendLimitBytes: 300_000 });
  const accepted = server.listener.accept();
  const peer = await RawPeer.upgraded(server.port);
  const conn = await accepted;
  const alsoAccepted = server.listener.accept();
  const other = await dial(server.url);
  const otherConn = await alsoAccepted;
  peer.socket.pause();
  const sending = setInterval(() => peer.write(ping), 5);
  fill(conn, new Uint8Array(20_000));
  const info = await ended(conn);
  clearInterval(sending);
  assert.equal(info.wasClean, false);
  assert.equal(info.code, 1006);
  assert.equal((info.error as { code?: string } | undefined)?.code, "timeout");
  assert.equal(conn.trySend("x"), "refused");
  await otherConn.send("still here");
  assert.equal(await other.receive(), "still here");
  peer.socket.destroy();
  other.abort();
});

test("over TLS, too", async () => {
  const identity = selfSigned("IP:127.0.0.1");
  await using server = await accepting({ tls: identity, writeTimeoutMs: 40 });
  const accepted = server.listener.accept();
  const socket = connectSecurely({ port: server.port, host: "127.0.0.1", ca: identity.cert });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  socket.write(upgradeRequest());
  const conn = await accepted;
  await once(socket, "data");
  socket.pause();
  const sending = setInterval(() => socket.write(ping), 5);
  conn.trySend(new Uint8Array(50_000_000)); // More than the kernels' buffers.
  const info = await ended(conn);
  clearInterval(sending);
  assert.equal((info.error as { code?: string } | undefined)?.code, "timeout");
  socket.destroy();
});

test("a send that waits rejects, with the reason as its cause", async () => {
  await using server = await accepting({ writeTimeoutMs: 40, sendLimitBytes: 100_000_000 });
  const accepted = server.listener.accept();
  const peer = await RawPeer.upgraded(server.port);
  const conn = await accepted;
  peer.socket.pause();
  await assert.rejects(conn.send(new Uint8Array(50_000_000)), (error: Error & { code?: string }) => {
    assert.equal(error.code, "closed");
    assert.equal((error.cause as { code?: string }).code, "timeout");
    return true;
  });
  peer.socket.destroy();
});

for (const isSecure of [false, true]) {
  test(`how much of one large write was taken is known${isSecure ? ", over TLS, too" : ""}`, async () => {
    const identity = selfSigned("IP:127.0.0.1");
    const server = isSecure ? createSecureServer(identity) : createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const to = { port, host: "127.0.0.1" };
    const accepted = once(server, isSecure ? "secureConnection" : "connection");
    const reader = isSecure ? connectSecurely({ ...to, ca: identity.cert }) : connect(to);
    const [writer] = (await accepted) as [Socket];
    writer.write(new Uint8Array(50_000_000));
    // Under TLS the write may begin in a later turn (Node 26.10): the first bytes say that it has.
    let before: WriteProgress | undefined;
    let read = 0;
    await new Promise<void>((resolve) => {
      reader.on("data", (bytes: Buffer) => {
        read += bytes.length;
        before ??= writeProgress(writer);
        if (read < 20_000_000) return;
        reader.pause();
        resolve();
      });
    });
    const after = writeProgress(writer);
    assert.ok(before);
    assert.equal(after.complete, before.complete);
    assert.ok(after.left <= 30_000_000 + 1_000_000);
    assert.equal(hasProgressed(before, after), true);
    reader.destroy();
    writer.destroy();
    server.close();
  });
}
