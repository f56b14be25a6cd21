import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import {
  idOf,
  idText,
  Kind,
  MAX_DATAGRAMS,
  nearest,
  type Opened,
  Opener,
  SEAL_BYTES,
  Sealer,
} from "./seal.ts";

const ID = Buffer.from("5a6f63616c6f2121", "hex"); // "Zocalo!!"
const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index));

function sealed(kind: Kind, text: string, sealer = new Sealer(ID, KEY)): Buffer {
  return Buffer.from(sealer.seal(kind, Buffer.from(text)) ?? assert.fail("exhausted"));
}

function textOf(opened: unknown): string {
  assert.notEqual(typeof opened, "string", `dropped: ${String(opened)}`);
  return Buffer.from((opened as Opened).bytes).toString();
}

test("the example of the documentation is what it says, byte by byte", () => {
  const sealer = new Sealer(ID, KEY, 0x01_0203);
  const datagram = sealed(Kind.message, "hola", sealer);
  const written = [
    "01", // kind: a message
    "5a 6f 63 61 6c 6f 21 21", // id
    "01 02 03", // counter
    EXAMPLE.content,
    EXAMPLE.tag,
  ];
  assert.equal(datagram.toString("hex"), written.join("").replaceAll(" ", ""));
  assert.equal(datagram.length, SEAL_BYTES + 4);
});

/** Found by another implementation: `cryptography`'s AESGCM, see below. */
const EXAMPLE = { content: "446c8cc7", tag: "a9c5ae53bd7bfd85245f1413f9644135" };

/** Reads datagrams by nothing but the written format. */
const DECODER = `
import json, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
said = []
for line in sys.stdin:
    case = json.loads(line)
    datagram = bytes.fromhex(case["datagram"])
    kind, id, low, rest = datagram[0], datagram[1:9], datagram[9:12], datagram[12:]
    counter = (case["high"] << 24) + int.from_bytes(low, "big")
    nonce = bytes([kind, 0, 0, 0]) + counter.to_bytes(8, "big")
    text = AESGCM(bytes.fromhex(case["key"])).decrypt(nonce, rest, None)
    said.append({"kind": kind, "id": id.hex(), "counter": counter, "text": text.hex()})
print(json.dumps(said))
`;

test("another implementation reads what was sealed, from the written format alone", (context) => {
  const there = spawnSync("python3", ["-c", "import cryptography.hazmat.primitives.ciphers.aead"]);
  if (there.status !== 0) {
    context.skip("Python's cryptography is not installed (Debian: python3-cryptography)");
    return;
  }
  const random = new Random(12);
  const cases = Array.from({ length: 40 }, () => {
    const counter = random.below(MAX_DATAGRAMS);
    const [id, key] = [random.bytes(8), random.bytes(32)];
    const kind = random.pick([Kind.message, Kind.ping, Kind.pong]);
    const text = random.bytes(random.below(1_151));
    const datagram = Buffer.from(new Sealer(id, key, counter).seal(kind, text) ?? assert.fail("exhausted"));
    return { counter, id, key, kind, text, datagram };
  });
  const lines = cases.map(({ counter, key, datagram }) =>
    JSON.stringify({ high: counter >> 24, key: key.toString("hex"), datagram: datagram.toString("hex") }),
  );
  const read = spawnSync("python3", ["-c", DECODER], { input: lines.join("\n"), encoding: "utf8" });
  assert.equal(read.status, 0, read.stderr);
  const expected = cases.map(({ kind, id, counter, text }) => ({
    kind,
    id: id.toString("hex"),
    counter,
    text: text.toString("hex"),
  }));
  assert.deepEqual(JSON.parse(read.stdout), expected);
});

test("what was sealed opens once, as the receiver's own bytes", () => {
  const opener = new Opener(KEY);
  const datagram = sealed(Kind.ping, "hola");
  const opened = opener.open(datagram) as Opened;
  assert.deepEqual([opened.kind, opened.counter, textOf(opened)], [Kind.ping, 0, "hola"]);
  datagram.fill(0xee);
  assert.equal(opened.bytes.buffer.byteLength, opened.bytes.length, "nobody else has a part of that memory");
  assert.equal(textOf(opened), "hola");
});

test("an empty message is one", () => {
  assert.equal(textOf(new Opener(KEY).open(sealed(Kind.message, ""))), "");
});

test("every changed bit, every cut and every other key is dropped, and changes nothing", () => {
  const opener = new Opener(KEY);
  const sealer = new Sealer(ID, KEY);
  const first = sealed(Kind.message, "first", sealer);
  const second = sealed(Kind.message, "second", sealer);
  assert.equal(textOf(opener.open(first)), "first");
  for (let bit = 0; bit < second.length * 8; bit++) {
    // The id finds the lane; its bits are not the opener's to judge.
    if (bit >= 8 && bit < 72) continue;
    const changed = Buffer.from(second);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(typeof opener.open(changed), "string", `bit ${bit}`);
  }
  for (let length = 0; length < second.length; length++) {
    const cut = second.subarray(0, length);
    assert.equal(opener.open(cut), length < SEAL_BYTES ? "truncated" : "forged");
  }
  assert.equal(opener.open(Buffer.concat([second, Buffer.of(0)])), "forged");
  const others = Buffer.from(KEY);
  others[31] = 0;
  assert.equal(opener.open(sealed(Kind.message, "x", new Sealer(ID, others, 2))), "forged");
  assert.equal(opener.newest, 0);
  assert.equal(textOf(opener.open(second)), "second");
  for (const replayed of [first, second]) assert.equal(opener.open(replayed), "replayed");
});

test("a forged datagram of a counter far ahead does not move the window", () => {
  const opener = new Opener(KEY);
  const sealer = new Sealer(ID, KEY);
  const real = Array.from({ length: 5 }, (_, index) => sealed(Kind.message, `m${index}`, sealer));
  const forged = Buffer.from(real[0] ?? []);
  forged.writeUIntBE(0x7f_ffff, 9, 3);
  assert.equal(opener.open(forged), "forged");
  for (const [index, datagram] of real.entries()) assert.equal(textOf(opener.open(datagram)), `m${index}`);
});

test("the counter is found again from its low 24 bits, across gaps of 8,388,607", () => {
  for (const expected of [0, 1, 5, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x345_6789, MAX_DATAGRAMS - 1]) {
    for (const offset of [0, 1, 2, 1_023, 0x7f_ffff, -1, -1_024, -0x7f_ffff]) {
      const counter = expected + offset;
      if (counter < 0) continue;
      assert.equal(nearest(counter & 0xff_ffff, expected), counter, `${expected} ${offset}`);
    }
  }
});

test("a key seals 2^28 datagrams, and not one more", () => {
  const sealer = new Sealer(ID, KEY, MAX_DATAGRAMS - 1);
  assert.equal(sealer.isExhausted, false);
  const opener = new Opener(KEY);
  // Brought there by steps: the low bits alone do not say it.
  for (let at = 0x7f_0000; at < MAX_DATAGRAMS - 1; at += 0x7f_0000) {
    assert.equal(textOf(opener.open(sealed(Kind.message, "on", new Sealer(ID, KEY, at)))), "on");
  }
  assert.equal(textOf(opener.open(sealed(Kind.message, "last", sealer))), "last");
  assert.equal(sealer.isExhausted, true);
  assert.equal(sealer.seal(Kind.message, Buffer.of(1)), undefined);
});

test("no nonce is used twice: a counter is used up by what could not be sealed, too", () => {
  const sealer = new Sealer(ID, KEY);
  const counters = new Set<number>();
  for (let at = 0; at < 3; at++) counters.add(sealed(Kind.message, "x", sealer).readUIntBE(9, 3));
  assert.throws(() => sealer.seal(Kind.message, 42 as unknown as Uint8Array));
  for (const kind of [Kind.ping, Kind.pong, Kind.message])
    counters.add(sealed(kind, "x", sealer).readUIntBE(9, 3));
  assert.deepEqual([...counters], [0, 1, 2, 4, 5, 6]);
});

test("whatever is lost, doubled, overtaken, flipped or made up, each message opens at most once, unchanged", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const [id, key] = [random.bytes(8), random.bytes(32)];
    const sealer = new Sealer(id, key, random.below(2) === 0 ? 0 : 0xff_ff00);
    const opener = new Opener(key);
    const wire: Buffer[] = [];
    for (let number = 0; number < 200; number++) {
      const datagram = sealed(Kind.message, `${seed}/${number}`, sealer);
      if (random.chance(0.1)) continue;
      for (let copy = random.chance(0.1) ? 2 : 1; copy > 0; copy--) {
        wire.splice(Math.max(0, wire.length - random.below(20)), 0, datagram);
      }
      if (random.chance(0.2)) wire.push(damaged(random, datagram));
    }
    const came = wire.map((datagram) => opener.open(datagram)).filter((opened) => typeof opened !== "string");
    const texts = came.map(textOf);
    assert.equal(new Set(texts).size, texts.length, `seed ${seed}`);
    assert.ok(texts.every((text) => text.startsWith(`${seed}/`)));
    const distinct = new Set(wire.filter((datagram) => datagram.length > 0).map(String)).size;
    assert.ok(texts.length > 150 && texts.length <= distinct, `seed ${seed}: ${texts.length}`);
  }
});

function damaged(random: Random, datagram: Buffer): Buffer {
  const how = random.below(4);
  if (how === 0) return datagram.subarray(0, random.below(datagram.length));
  if (how === 1) return random.bytes(random.below(100));
  const changed = Buffer.from(datagram);
  const at = how === 2 ? random.below(12) : random.below(changed.length);
  // The id is not looked at here, so a change of it would be no damage.
  const index = at >= 1 && at <= 8 ? 0 : at;
  changed[index] = (changed[index] ?? 0) ^ (1 + random.below(255));
  return changed;
}

test("the id is where a lane is looked for", () => {
  assert.equal(idOf(sealed(Kind.message, "")), idText(ID));
  assert.equal(idOf(Buffer.alloc(SEAL_BYTES - 1)), undefined);
});
