import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, listen, type NetError } from "@zocalo/net";

test("of a host with several addresses the one that answers is taken", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const port = String(listener.addr).split(":")[1];
  const asked: unknown[] = [];
  const resolver = (host: string, { family }: { family: number }): Promise<string[]> => {
    asked.push([host, family]);
    return Promise.resolve(["::1", "127.0.0.2", "127.0.0.1", "not an address"]);
  };
  const conn = await dial("tcp", `several.example:${port}`, { resolver });
  assert.equal(String(conn.remoteAddr), `127.0.0.1:${port}`);
  assert.deepEqual(asked, [["several.example", 0]]);
  conn.abort();
  const four = await dial("tcp4", `several.example:${port}`, { resolver });
  assert.deepEqual(asked.at(-1), ["several.example", 4]);
  four.abort();
  await listener.abort();
});

test("when all addresses fail it is the first one's error, with all as its cause", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  await listener.close();
  const port = String(listener.addr).split(":")[1];
  const resolver = (): Promise<string[]> => Promise.resolve(["127.0.0.1", "127.0.0.2"]);
  await assert.rejects(dial("tcp", `two.example:${port}`, { resolver }), (error: NetError) => {
    assert.equal(error.message, `dial tcp 127.0.0.1:${port}: connection refused (and 1 more)`);
    assert.equal(error.code, "refused");
    assert.ok(error.cause instanceof AggregateError);
    assert.equal(
      (error.cause.errors[1] as NetError).message,
      `dial tcp 127.0.0.2:${port}: connection refused`,
    );
    return true;
  });
});

test("a dial may come from a chosen address", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [conn, accepted] = await Promise.all([
    dial("tcp", String(listener.addr), { localAddress: "127.0.0.7:0" }),
    listener.accept(),
  ]);
  assert.match(String(accepted.remoteAddr), /^127\.0\.0\.7:\d+$/);
  assert.equal(String(conn.localAddr), String(accepted.remoteAddr));
  await assert.rejects(dial("tcp", ":1", { localAddress: "nonsense" }), {
    code: "invalid_address",
    op: "dial",
  });
  await assert.rejects(dial("tcp", ":1", { localAddress: "localhost:0" }), { op: "dial" });
  await assert.rejects(dial("tcp", ":1", { attemptDelayMs: -1 }), { code: "invalid_argument" });
  await assert.rejects(dial("tcp", ":1", { deadline: Number.NaN }), { code: "invalid_argument" });
  conn.abort();
  await listener.abort();
});

test("only addresses of the IP version that is dialed from are tried", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const port = String(listener.addr).split(":")[1];
  await listener.close();
  const resolver = (): Promise<string[]> => Promise.resolve(["::1", "127.0.0.1"]);
  const dialing = dial("tcp", `both.example:${port}`, { resolver, localAddress: "127.0.0.7:0" });
  await assert.rejects(dialing, (error: NetError) => {
    assert.equal(error.message, `dial tcp 127.0.0.7:0->127.0.0.1:${port}: connection refused`);
    return error.code === "refused";
  });
});

test("the signal and the deadline of a dial do not touch the connection it made", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const controller = new AbortController();
  const deadline = Date.now() + 60_000;
  const [conn, accepted] = await Promise.all([
    dial("tcp", String(listener.addr), { signal: controller.signal, deadline }),
    listener.accept(),
  ]);
  controller.abort();
  await conn.write(Buffer.from("alive"));
  assert.equal(String(await accepted.readFull(5)), "alive");
  conn.abort();
  await listener.abort();
});
