// What is published arrives as the text that was sent: over each transport, from each, and in the log.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "@zocalo/client";
import { Hub } from "@zocalo/hub";
import { dial, lines, listen, listenPacket, peers } from "@zocalo/net";
import { decodeCommand, LIMITS, type ServerMessage } from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";
import fc from "fast-check";
import { anyJson, anyJsonObject, asSent } from "./any-json.ts";

/** A client that sees the text of each message. */
interface Peer {
  readonly name: string;
  send(text: string): Promise<void>;
  next(): Promise<string>;
  close(): Promise<void>;
}

const hub = new Hub({
  namespaces: {
    plaza: { subscribe: "anyone", publish: "anyone", presence: true, history: { bytes: 8 * 1_048_576 } },
  },
  exemptAddresses: [],
  limits: {
    commandsPerSecond: 1_000_000,
    commandBurst: 1_000_000,
    commandsPerSecondPerAddress: 1_000_000,
    commandBurstPerAddress: 1_000_000,
    datagramBytesPerSecond: 1_000_000_000,
    datagramBytesPerByte: 1_000_000,
  },
});
const dials: Record<string, () => Promise<Peer>> = {};

before(async () => {
  const web = await websocket.listen("127.0.0.1:0");
  const tcp = await listen("tcp", "127.0.0.1:0");
  const packets = await listenPacket("udp", "127.0.0.1:0");
  void hub.serve(web);
  void hub.serve(lines(tcp));
  void hub.serve(peers(packets));
  dials["WebSocket"] = async () => {
    const conn = await websocket.dial(`ws://${String(web.addr)}`);
    return {
      name: "WebSocket",
      send: (text) => conn.send(text),
      next: async () => String(await conn.receive()),
      close: () => conn.close(),
    };
  };
  dials["TCP"] = async () => {
    const conn = lines(await dial("tcp", String(tcp.addr)), { maxMessageBytes: 1_048_576 });
    return {
      name: "TCP",
      send: (text) => conn.send(text.replaceAll("\n", " ")), // it would end the command
      next: async () => String(await conn.receive()),
      close: () => conn.close(),
    };
  };
  const used = new Set<string>();
  dials["UDP"] = async () => {
    let conn = await dial("udp", String(packets.localAddr));
    // The system may give a port again whose session is still there.
    while (used.has(String(conn.localAddr))) {
      await conn.close();
      conn = await dial("udp", String(packets.localAddr));
    }
    used.add(String(conn.localAddr));
    return {
      name: "UDP",
      send: (text) => conn.send(Buffer.from(text)),
      next: async () => {
        for (;;) {
          const text = Buffer.from((await conn.receive()) ?? []).toString();
          // One for each pong, too, would make ever more of them, until the system drops what is waited for.
          if (text.startsWith('{"type":"pong"')) continue;
          await conn.send('{"type":"ping"}'); // Who only listens would wait for the rest.
          return text;
        }
      },
      close: () => conn.close(),
    };
  };
});
const opened: Peer[] = [];
after(async () => {
  await Promise.all(opened.map((peer) => peer.close())); // A test that fails leaves its own open.
  await hub.close();
});

const TRANSPORTS = ["WebSocket", "TCP", "UDP"] as const;

async function open(name: string): Promise<Peer> {
  const dialIt = dials[name];
  assert.ok(dialIt);
  const peer = await dialIt();
  opened.push(peer);
  return peer;
}

/** The next message of this type, as text. */
async function next(peer: Peer, type: ServerMessage["type"]): Promise<string> {
  for (;;) {
    const text = await peer.next();
    const message = JSON.parse(text) as ServerMessage;
    if (message.type === type) return text;
    assert.ok(message.type !== "error" && message.type !== "gap", text);
  }
}

/** The text of a field that others follow only if `end` says which. */
function field(text: string, name: string, end = "}"): string {
  const start = text.indexOf(`,"${name}":`) + name.length + 4;
  return text.slice(start, text.lastIndexOf(end));
}

/** One that has begun its session. */
async function begun(name: string): Promise<Peer> {
  const peer = await open(name);
  await peer.send('{"type":"connect"}');
  await next(peer, "connected");
  return peer;
}

async function subscribed(name: string, channel: string): Promise<Peer> {
  const peer = await begun(name);
  await peer.send(`{"type":"subscribe","channel":"${channel}"}`);
  await next(peer, "subscribed");
  return peer;
}

for (const from of TRANSPORTS) {
  test(`any JSON that is published over ${from} arrives byte for byte, everywhere`, async () => {
    const channel = `plaza:from-${from}`;
    const publisher = await begun(from);
    const subscribers = await Promise.all(TRANSPORTS.map((name) => subscribed(name, channel)));
    let offset = 0;
    await fc.assert(
      fc.asyncProperty(anyJson, async (json) => {
        await publisher.send(`{"type":"publish","id":1,"data":0,"channel":"${channel}","data":\t${json} }`);
        await next(publisher, "published");
        offset++;
        for (const subscriber of subscribers) {
          const text = await next(subscriber, "publication");
          assert.equal(field(text, "data"), asSent(json), subscriber.name);
        }
        await publisher.send(`{"type":"history","channel":"${channel}","before":${offset + 1},"limit":1}`);
        assert.equal(field(await next(publisher, "history"), "data", "}]}"), asSent(json), "history");
      }),
      { numRuns: 200 },
    );
    for (const peer of [publisher, ...subscribers]) await peer.close();
  });

  test(`any info that is given over ${from} is shown byte for byte, everywhere`, async () => {
    const channel = `plaza:info-${from}`;
    const subscribers = await Promise.all(TRANSPORTS.map((name) => subscribed(name, channel)));
    const info = anyJsonObject.filter((json) => json.length <= LIMITS.infoLength);
    await fc.assert(
      fc.asyncProperty(info, async (json) => {
        const publisher = await open(from);
        await publisher.send(`{"type":"connect","info":${json}}`);
        const connected = await next(publisher, "connected");
        assert.equal(field(connected, "info"), asSent(json), "connected");
        await publisher.send(`{"type":"publish","channel":"${channel}","data":7}`);
        for (const subscriber of subscribers) {
          const text = await next(subscriber, "publication");
          assert.equal(field(text, "info", ',"data":7}'), asSent(json), subscriber.name);
        }
        await publisher.close();
      }),
      { numRuns: 40 },
    );
    for (const peer of subscribers) await peer.close();
  });

  test(`data at its limit arrives over ${from}, and one past it is refused with a reason`, async () => {
    const channel = `plaza:limit-${from}`;
    const publisher = await begun(from);
    const subscribers = await Promise.all(
      ["WebSocket", "TCP", "UDP"].map((name) => subscribed(name, channel)),
    );
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    const number = "-1".padEnd(LIMITS.dataLength, "0");
    const spaced = `[${" ".repeat(LIMITS.dataLength - 2)}]`;
    const escaped = `"a${"\\u0041".repeat(8_191)}bc"`; // 49,151
    for (const json of [number, spaced, escaped, nested(LIMITS.depth)]) {
      await publisher.send(`{"type":"publish","channel":"${channel}","data":${json}}`);
      for (const subscriber of subscribers) {
        assert.ok(field(await next(subscriber, "publication"), "data") === json, subscriber.name);
      }
    }
    for (const [json, code] of [
      [`${number}0`, "too_large"],
      [`[ ${spaced.slice(1)}`, "too_large"],
      [nested(LIMITS.depth + 1), "bad_command"],
      [`[${"[".repeat(20_000)}${"]".repeat(20_000)}]`, "bad_command"],
      [`{"a":${nested(LIMITS.depth)},"a":1}`, "bad_command"],
      ["01", "bad_json"],
      ["1e", "bad_json"],
      ["NaN", "bad_json"],
      ["'a'", "bad_json"],
      ["[1,]", "bad_json"],
      ['"\u0007"', "bad_json"],
      ["\ufeff1", "bad_json"],
      ["", "bad_json"],
    ] as const) {
      await publisher.send(`{"type":"publish","channel":"${channel}","data":${json}}`);
      let answer: ServerMessage;
      do answer = JSON.parse(await publisher.next()) as ServerMessage;
      while (answer.type !== "error");
      assert.equal(answer.code, code, json.slice(0, 40));
      assert.ok(answer.message.length > 5, answer.message);
    }
    for (const peer of [publisher, ...subscribers]) await peer.close();
  });
}

test("the SDK publishes and hands out any JSON text, and its value", async () => {
  const web = await websocket.listen("127.0.0.1:0");
  void hub.serve(web);
  const session = connect(`ws://${String(web.addr)}`, { dial: websocket.dial });
  const room = session.channel<unknown>("plaza:sdk");
  await room.publish(null);
  const follow = room.subscribe({ last: 1 });
  await follow.next();
  await fc.assert(
    fc.asyncProperty(anyJson, async (json) => {
      await room.publishJson(json);
      const { value } = await follow.next();
      assert.equal(value?.json, asSent(json));
      assert.deepEqual(value?.data, JSON.parse(json));
      const { publications } = await room.history({ limit: 1 });
      assert.equal(publications[0]?.json, asSent(json));
      assert.deepEqual(publications[0]?.data, JSON.parse(json));
    }),
    { numRuns: 100 },
  );
  await session.close();
});

test("a command has the text of any data, and of any info, that JSON.parse reads", () => {
  fc.assert(
    fc.property(anyJson, anyJsonObject, (json, info) => {
      const publish = decodeCommand(`{"type":"publish","channel":"a","data":${json}\r\n}`);
      assert.ok(publish.type === "publish");
      assert.equal(publish.json, asSent(json));
      assert.deepEqual(publish.data, JSON.parse(json));
      const padding = `"later":[${"{},".repeat(1_500)}0]`; // what is long is read in another way
      const long = decodeCommand(`{"data":0,"type":"publish",${padding},"channel":"a","data":${json}\r\n}`);
      assert.ok(long.type === "publish");
      assert.equal(long.json, asSent(json));
      if (info.length > LIMITS.infoLength) return;
      const command = decodeCommand(`{"type":"connect","info":\n${info}}`);
      assert.ok(command.type === "connect");
      assert.equal(command.infoJson, asSent(info));
    }),
    { numRuns: 2_000 },
  );
});

test("a byte order mark before the first line of a stream is ignored, and nowhere else", async () => {
  const ask = async (peer: Peer, text: string): Promise<string> => {
    await peer.send(text);
    return (JSON.parse(await peer.next()) as ServerMessage).type;
  };
  const tcp = await open("TCP");
  assert.equal(await ask(tcp, '\ufeff{"type":"ping"}'), "pong");
  assert.equal(await ask(tcp, '\ufeff{"type":"ping"}'), "error");
  const twice = await open("TCP");
  assert.equal(await ask(twice, '\ufeff\ufeff{"type":"ping"}'), "error");
  const alone = await open("TCP");
  await alone.send("\ufeff");
  assert.equal(await ask(alone, '{"type":"ping"}'), "pong");
  for (const name of ["WebSocket", "UDP"]) {
    const peer = await open(name);
    assert.equal(await ask(peer, '\ufeff{"type":"ping"}'), "error", name);
    await peer.close();
  }
  for (const peer of [tcp, twice, alone]) await peer.close();
});
