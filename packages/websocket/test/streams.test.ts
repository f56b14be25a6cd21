// Messages that are received while they arrive, and sent while they are made.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import { WebSocket } from "ws";
import { dial, type IncomingStream, type ListenOptions, type WebSocketConn } from "../src/index.ts";
import { accepting } from "./peers.ts";

/** [a client, the server's end that streams]. */
async function pair(
  options: ListenOptions = {},
  clientOptions = {},
): Promise<{ client: WebSocketConn; server: WebSocketConn } & AsyncDisposable> {
  const { listener, url } = await accepting({ messages: "stream", ...options });
  const accepted = listener.accept();
  const client = await dial(url, clientOptions);
  return {
    client,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      client.abort();
      await listener.abort();
    },
  };
}

async function collect(stream: IncomingStream | null): Promise<Message[]> {
  assert.ok(stream !== null);
  const chunks: Message[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const joined = (chunks: Message[]): Uint8Array =>
  new Uint8Array(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));

for (const compression of [false, true]) {
  test(`whole messages arrive as streams, ${compression ? "with" : "without"} compression`, async () => {
    await using both = await pair({ compression }, { compression });
    const sent: Message[] = [
      "",
      "ñandú 𝄞 ".repeat(60_000),
      new Uint8Array(0),
      new Uint8Array(3_000_000).fill(7),
    ];
    const sending = (async () => {
      for (const message of sent) await both.client.send(message);
      await both.client.close();
    })();
    for (const message of sent) {
      const stream = await both.server.receiveStream();
      assert.equal(stream?.isText, typeof message === "string");
      const chunks = await collect(stream);
      if (typeof message === "string") assert.equal(chunks.join(""), message);
      else assert.deepEqual(joined(chunks), message);
    }
    assert.equal(await both.server.receiveStream(), null);
    await sending;
  });
}

test("the beginning of a message is there before its end is sent", async () => {
  await using both = await pair();
  let goOn: () => void = () => undefined;
  const heard = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const sending = both.client.sendStream(
    (async function* () {
      yield "first ";
      await heard;
      yield "second \ud834";
      yield "\udd1e";
    })(),
  );
  const stream = await both.server.receiveStream();
  assert.ok(stream !== null);
  const chunks: Message[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    goOn();
  }
  assert.equal(chunks[0], "first ");
  assert.equal(chunks.join(""), "first second 𝄞");
  await sending;
});

test("a stream that is not read stops its source, and nothing is lost", async () => {
  const limits = { receiveHighWaterBytes: 1000, sendHighWaterBytes: 1000 };
  await using both = await pair(limits, limits);
  const total = 400;
  let made = 0;
  let stalled: () => void = () => undefined;
  const chunk = new Uint8Array(100_000).fill(5);
  const sending = both.client.sendStream(
    (async function* () {
      for (; made < total; made++) {
        setImmediate(() => stalled());
        yield chunk;
      }
    })(),
  );
  const stream = await both.server.receiveStream();
  // Until the kernels' buffers are full and the source is asked no more.
  for (let before = -1, same = 0; same < 50; before = made) {
    await new Promise<void>((resolve) => {
      stalled = resolve;
      setImmediate(resolve);
    });
    same = made === before ? same + 1 : 0;
  }
  assert.ok(made < total);
  const chunks = await collect(stream);
  assert.equal(joined(chunks).length, total * 100_000);
  await sending;
});

test("whoever sends meanwhile waits, in order; trySend refuses, and drain follows; pings pass", async () => {
  await using both = await pair();
  let drained: () => void = () => undefined;
  const drain = new Promise<void>((resolve) => {
    drained = resolve;
  });
  both.client.serve({ message: () => undefined, drain: () => drained() });
  let end: () => void = () => undefined;
  const ending = new Promise<void>((resolve) => {
    end = resolve;
  });
  const streams = [
    both.client.sendStream(
      (async function* () {
        yield new Uint8Array([1]);
        await ending;
        yield new Uint8Array([2]);
      })(),
    ),
    both.client.send("after"),
    both.client.sendStream(["s", "t"]),
    both.client.send("last"),
  ];
  assert.equal(both.client.trySend("now"), "refused");
  const first = await both.server.receiveStream();
  assert.ok((await both.client.ping()) >= 0);
  end();
  assert.deepEqual(joined(await collect(first)), new Uint8Array([1, 2]));
  for (const text of ["after", "st", "last"]) {
    assert.equal((await collect(await both.server.receiveStream())).join(""), text);
  }
  await Promise.all(streams);
  await drain;
  assert.equal(both.client.trySend("now"), "sent");
});

test("what is sent behind a stream waits for its end, or that of the connection", async () => {
  await using both = await pair({}, { sendLimitBytes: 1000 });
  const endless = both.client.sendStream(
    (async function* () {
      yield "begun";
      await new Promise(() => undefined);
    })(),
  );
  const waiting = ["x", "y", "z"].map((letter) => both.client.send(letter.repeat(500)));
  await assert.rejects(both.client.send(5 as never), { code: "invalid_argument" });
  assert.equal(both.client.trySend("now"), "refused");
  const rejections = [endless, ...waiting].map((each) => assert.rejects(each, { code: "closed" }));
  both.client.abort();
  await Promise.all(rejections);
});

test("a message that was not read to its end is skipped", async () => {
  await using both = await pair({ receiveHighWaterBytes: 1000 });
  const sending = (async () => {
    await both.client.send(new Uint8Array(2_000_000));
    await both.client.send("next");
  })();
  const skipped = await both.server.receiveStream();
  assert.ok(skipped !== null);
  for await (const _ of skipped) break;
  assert.deepEqual(await collect(await both.server.receiveStream()), ["next"]);
  await sending;
});

test("a source that fails, mixes or is cancelled ends the connection once a part was sent; before that it does not", async () => {
  const fault = new Error("no more film");
  const failing = async function* (begins: boolean) {
    if (begins) yield "begun";
    throw fault;
  };
  {
    await using both = await pair();
    await assert.rejects(both.client.sendStream(failing(false)), fault);
    await assert.rejects(both.client.sendStream([7] as never), { code: "invalid_argument" });
    await both.client.send("still here");
    assert.deepEqual(await collect(await both.server.receiveStream()), ["still here"]);
    await assert.rejects(both.client.sendStream(failing(true)), fault);
    const stream = await both.server.receiveStream();
    await assert.rejects(collect(stream), { code: "closed" });
    assert.equal(await both.server.receiveStream(), null);
  }
  {
    await using both = await pair();
    await assert.rejects(both.client.sendStream(["text", new Uint8Array(1)]), { code: "invalid_argument" });
    assert.equal(both.client.trySend("x"), "refused");
  }
  {
    await using both = await pair();
    const controller = new AbortController();
    const sending = both.client.sendStream(
      (async function* () {
        yield "begun";
        controller.abort();
        await new Promise(() => undefined);
      })(),
      { signal: controller.signal },
    );
    await assert.rejects(sending, { code: "canceled" });
    assert.equal(both.client.trySend("x"), "refused");
  }
});

test("what a source throws when it is left does not hide why it was left", async () => {
  await using both = await pair();
  const chunks = ["text", new Uint8Array(1)];
  const source: Iterable<Message> = {
    [Symbol.iterator]: () => ({
      next: () => ({ done: false, value: chunks.shift() ?? "" }),
      return: () => {
        throw new Error("left");
      },
    }),
  };
  await assert.rejects(both.client.sendStream(source), { code: "invalid_argument" });
});

test("a stream that is cancelled while its first part waits for room ends the connection, too", async () => {
  await using both = await pair({ maxMessageBytes: 64_000_000 });
  const controller = new AbortController();
  const sending = both.client.sendStream([new Uint8Array(32_000_000)], { signal: controller.signal });
  const rejected = assert.rejects(sending, { code: "canceled" });
  while (both.client.bufferedAmount === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  await rejected;
  // It would have been read as a part of the message that was begun.
  await assert.rejects(both.client.sendStream(["another"]), { code: "closed" });
  await assert.rejects(collect(await both.server.receiveStream()), { code: "closed" });
});

test("a connection that breaks in the middle throws, there and in the source's consumer", async () => {
  await using both = await pair();
  const sending = both.client.sendStream(
    (async function* () {
      yield "begun";
      await new Promise(() => undefined);
    })(),
  );
  const rejected = assert.rejects(sending, { code: "closed" });
  const stream = await both.server.receiveStream();
  both.client.abort();
  await assert.rejects(collect(stream), { code: "abnormal_closure" });
  await rejected;
  await assert.rejects(both.client.sendStream(["late"]), { code: "closed" });
});

test("the ws package reads what is sent as a stream, and its fragments are read as one", async () => {
  await using server = await accepting({ messages: "stream" });
  const accepted = server.listener.accept();
  const ws = new WebSocket(server.url);
  await once(ws, "open");
  const conn = await accepted;
  const got = once(ws, "message");
  await conn.sendStream(["uno ", "dos ", "tres"]);
  const [data] = (await got) as [Buffer];
  assert.equal(String(data), "uno dos tres");
  const empty = once(ws, "message");
  await conn.sendStream([]);
  assert.equal(((await empty) as [Buffer])[0].length, 0);
  ws.send("cuatro ", { fin: false });
  ws.send("cinco", { fin: true });
  assert.equal((await collect(await conn.receiveStream())).join(""), "cuatro cinco");
  ws.terminate();
});

test("each way of receiving belongs to its option", async () => {
  await using both = await pair();
  await assert.rejects(both.server.receive(), { code: "invalid_argument" });
  assert.throws(() => both.server.serve({ message: () => undefined }), { code: "invalid_argument" });
  await assert.rejects(both.client.receiveStream(), { code: "invalid_argument" });
  const waiting = both.server.receiveStream();
  await assert.rejects(both.server.receiveStream(), { code: "invalid_argument" });
  await both.client.send("hola");
  assert.deepEqual(await collect(await waiting), ["hola"]);
  const controller = new AbortController();
  const canceled = both.server.receiveStream({ signal: controller.signal });
  controller.abort();
  await assert.rejects(canceled, { code: "canceled" });
  await both.client.send("otra");
  assert.deepEqual(await collect(await both.server.receiveStream()), ["otra"]);
  await assert.rejects(dial("ws://127.0.0.1:1", { messages: "parts" as "stream" }), {
    code: "invalid_argument",
  });
});
