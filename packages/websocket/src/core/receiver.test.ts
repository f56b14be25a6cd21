import assert from "node:assert/strict";
import { test } from "node:test";
import type { Role } from "./frame.ts";
import { frameFrom, hex, peerOf, Recorder } from "../../test/recorder.ts";

const roles: readonly Role[] = ["client", "server"];

/** Bytes that break the protocol, as the peer of a client (unmasked) and of a server (masked) sends them. */
function assertFails(
  name: string,
  closeCode: number,
  bytes: (sender: Role) => Uint8Array,
  limits = {},
): void {
  for (const role of roles) {
    test(`${role}: ${name} fails with ${closeCode}`, () => {
      for (const portion of [1, 3, 1 << 20]) {
        const recorder = new Recorder(role, limits).feed(bytes(peerOf(role)), portion);
        assert.equal(recorder.failure?.closeCode, closeCode);
        const close = recorder.written();
        assert.equal(close[0], 0x88);
        // What follows is ignored.
        recorder.feed(frameFrom(peerOf(role), 0x81, "late"));
        assert.equal(recorder.written().length, 0);
        assert.ok(!recorder.messages.includes("late"));
      }
    });
  }
}

for (const [name, bit] of [
  ["RSV1", 0x40],
  ["RSV2", 0x20],
  ["RSV3", 0x10],
] as const) {
  assertFails(`${name} on a text frame`, 1002, (sender) => frameFrom(sender, 0x81 | bit, "x"));
  assertFails(`${name} on a ping`, 1002, (sender) => frameFrom(sender, 0x89 | bit));
  assertFails(`${name} on a continuation`, 1002, (sender) =>
    Buffer.concat([frameFrom(sender, 0x01, "x"), frameFrom(sender, 0x80 | bit, "y")]),
  );
}
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  assertFails(`opcode ${opcode}`, 1002, (sender) => frameFrom(sender, 0x80 | opcode, "x"));
}
assertFails("a frame masked the wrong way round", 1002, (sender) => frameFrom(peerOf(sender), 0x81, "x"));
assertFails("a continuation of nothing", 1002, (sender) => frameFrom(sender, 0x80, "x"));
assertFails("an unfinished continuation of nothing", 1002, (sender) => frameFrom(sender, 0x00, "x"));
assertFails("a new message inside a fragmented one", 1002, (sender) =>
  Buffer.concat([frameFrom(sender, 0x01, "x"), frameFrom(sender, 0x81, "y")]),
);
for (const opcode of [8, 9, 10]) {
  assertFails(`fragmented control frame ${opcode}`, 1002, (sender) => frameFrom(sender, opcode));
  assertFails(`control frame ${opcode} of 126 bytes`, 1002, (sender) =>
    frameFrom(sender, 0x80 | opcode, Buffer.alloc(126)),
  );
}
function header(sender: Role, text: string): Buffer {
  const bytes = hex(text);
  if (sender === "client") bytes[1] = (bytes[1] as number) | 0x80;
  return bytes;
}
assertFails("125 in 16 bits", 1002, (sender) => header(sender, "82 7e 00 7d"));
assertFails("0 in 16 bits", 1002, (sender) => header(sender, "82 7e 00 00"));
assertFails("65535 in 64 bits", 1002, (sender) => header(sender, "82 7f 0000 0000 0000 ffff"));
assertFails("1 in 64 bits", 1002, (sender) => header(sender, "82 7f 0000 0000 0000 0001"));
assertFails("length 2^63", 1002, (sender) => header(sender, "82 7f 8000 0000 0000 0000"));
assertFails("length 2^64-1", 1002, (sender) => header(sender, "82 7f ffff ffff ffff ffff"));
assertFails("length 2^31", 1009, (sender) => header(sender, "82 7f 0000 0000 8000 0000"));
assertFails("length 2^53", 1009, (sender) => header(sender, "82 7f 0020 0000 0000 0000"));
assertFails("length 2^63-1", 1009, (sender) => header(sender, "82 7f 7fff ffff ffff ffff"));

const tooBig = { maxMessageBytes: 1000 };
assertFails("one byte past the message limit", 1009, (sender) => header(sender, "82 7e 03 e9"), tooBig);
assertFails(
  "fragments past the message limit",
  1009,
  (sender) => Buffer.concat([frameFrom(sender, 0x02, Buffer.alloc(600)), header(sender, "80 7e 01 91")]),
  tooBig,
);
assertFails("one byte past the frame limit", 1009, (sender) => header(sender, "82 7e 01 01"), {
  maxFrameBytes: 256,
});
assertFails(
  "one fragment too many",
  1009,
  (sender) =>
    Buffer.concat([
      frameFrom(sender, 0x01),
      frameFrom(sender, 0x00),
      frameFrom(sender, 0x00),
      frameFrom(sender, 0x80),
    ]),
  { maxFragments: 3 },
);

for (const role of roles) {
  const sender = peerOf(role);
  test(`${role}: messages at the limits pass, one after the other`, () => {
    const recorder = new Recorder(role, { maxMessageBytes: 1000, maxFrameBytes: 600, maxFragments: 2 });
    for (let round = 0; round < 3; round++) {
      recorder.feed(frameFrom(sender, 0x02, Buffer.alloc(400)));
      recorder.feed(frameFrom(sender, 0x80, Buffer.alloc(600)));
    }
    assert.deepEqual(
      recorder.messages.map((message) => message.length),
      [1000, 1000, 1000],
    );
    assert.equal(recorder.failure, undefined);
  });

  test(`${role}: 131,072 one-byte fragments are one message, one more is too many`, () => {
    const piece = frameFrom(sender, 0x00, "a");
    const flood = Buffer.concat([
      frameFrom(sender, 0x01, "a"),
      ...Array.from({ length: 131_070 }, () => piece),
    ]);
    const fine = new Recorder(role).feed(flood).feed(frameFrom(sender, 0x80, "a"));
    assert.equal(fine.messages[0]?.length, 131_072);
    const over = new Recorder(role)
      .feed(flood)
      .feed(piece)
      .feed(frameFrom(sender, 0x80, "a"));
    assert.equal(over.failure?.closeCode, 1009);
  });

  test(`${role}: empty fragments without end are cut off`, () => {
    const recorder = new Recorder(role).feed(frameFrom(sender, 0x01));
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => frameFrom(sender, 0x00)));
    let rounds = 0;
    while (recorder.failure === undefined && rounds < 1000) {
      recorder.feed(flood);
      rounds++;
    }
    assert.equal(recorder.failure?.closeCode, 1009);
    assert.equal(rounds, 132);
  });

  test(`${role}: control frames between fragments are answered at once`, () => {
    const recorder = new Recorder(role)
      .feed(frameFrom(sender, 0x01, "ho"))
      .feed(frameFrom(sender, 0x89, "p"));
    assert.deepEqual(recorder.pings, ["p"]);
    assert.equal(recorder.written()[0], 0x8a);
    recorder.feed(frameFrom(sender, 0x80, "la"), 1).feed(frameFrom(sender, 0x8a, "q"), 1);
    assert.deepEqual(recorder.messages, ["hola"]);
    assert.deepEqual(recorder.pongs, ["q"]);
  });

  test(`${role}: while congested only the newest ping is answered, later`, () => {
    const recorder = new Recorder(role);
    recorder.core.setCongested(true);
    for (let i = 0; i < 100_000; i++) recorder.feed(frameFrom(sender, 0x89, `${i}`));
    assert.equal(recorder.written().length, 0);
    recorder.core.setCongested(false);
    const echoed = new Recorder(sender).feed(recorder.written());
    assert.deepEqual(echoed.pongs, ["99999"]);
  });

  test(`${role}: paused, it keeps what comes and loses nothing`, () => {
    for (const isLent of [false, true]) {
      const recorder = new Recorder(role);
      recorder.afterMessage = () => recorder.core.pauseReceiving();
      const frames = Buffer.concat(["a", "b", "c"].map((text) => frameFrom(sender, 0x81, text)));
      recorder.feed(frames, frames.length, isLent).feed(frameFrom(sender, 0x82, "d"), 100, isLent);
      assert.deepEqual(recorder.messages, ["a"]);
      for (let i = 0; i < 3; i++) recorder.core.resumeReceiving();
      assert.deepEqual(recorder.messages, ["a", "b", "c", new Uint8Array([100])]);
    }
  });

  test(`${role}: messages from lent memory survive its next use`, () => {
    for (const length of [0, 1, 16, 100, 3000, 70_000]) {
      const recorder = new Recorder(role);
      const payload = Buffer.alloc(length, 0x61);
      const frame = frameFrom(sender, 0x82, payload);
      recorder.core.receive(frame, true);
      frame.fill(0);
      assert.deepEqual(recorder.messages, [new Uint8Array(payload)]);
    }
  });
}

// --- close frames

const closes: [string, string, number][] = [
  ["of one byte", "03", 1002],
  ["with a reason that is not UTF-8", "03e8 c328", 1007],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code): [string, string, number] => [`with code ${code}`, code.toString(16).padStart(4, "0"), 1002],
  ),
];
for (const [name, payload, code] of closes) {
  assertFails(`a close ${name}`, code, (sender) => frameFrom(sender, 0x88, hex(payload)));
}

for (const role of roles) {
  const sender = peerOf(role);
  for (const code of [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
  ]) {
    test(`${role}: close code ${code} is taken and echoed`, () => {
      const payload = Buffer.concat([hex(code.toString(16).padStart(4, "0")), Buffer.from("adiós")]);
      const recorder = new Recorder(role).feed(frameFrom(sender, 0x88, payload), 1);
      assert.deepEqual(recorder.core.receivedClose, { code, reason: "adiós" });
      assert.ok(recorder.hasPeerClosed);
      const peer = new Recorder(sender).feed(recorder.written());
      assert.equal(peer.core.receivedClose?.code, code);
    });
  }

  test(`${role}: an empty close is answered with an empty close, and what follows is ignored`, () => {
    const recorder = new Recorder(role).feed(
      Buffer.concat([frameFrom(sender, 0x88), frameFrom(sender, 0x81, "late"), frameFrom(sender, 0x89)]),
    );
    assert.deepEqual(recorder.core.receivedClose, { code: 1005, reason: "" });
    assert.deepEqual(recorder.messages, []);
    const peer = new Recorder(sender).feed(recorder.written());
    assert.deepEqual(peer.core.receivedClose, { code: 1005, reason: "" });
    assert.deepEqual(peer.pongs, []);
  });

  test(`${role}: after its own close it drops messages and waits for the peer's`, () => {
    const recorder = new Recorder(role).feed(frameFrom(sender, 0x01, "begun"));
    recorder.core.close(1001, "bye");
    recorder.feed(
      Buffer.concat([frameFrom(sender, 0x80, "x"), frameFrom(sender, 0x82, Buffer.alloc(5000))]),
      7,
    );
    recorder.feed(frameFrom(sender, 0x88, hex("03e9")));
    assert.deepEqual(recorder.messages, []);
    assert.equal(recorder.core.receivedClose?.code, 1001);
    const peer = new Recorder(sender).feed(recorder.written());
    assert.deepEqual(peer.core.receivedClose, { code: 1001, reason: "bye" });
  });
}

// --- UTF-8

const invalidTexts = [
  "ff",
  "c0 80",
  "c1 bf",
  "e0 80 80",
  "e0 9f bf",
  "ed a0 80",
  "ed bf bf",
  "f0 80 80 80",
  "f0 8f bf bf",
  "f4 90 80 80",
  "f5 80 80 80",
  "80",
  "61 bf 61",
  "ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64",
];
for (const bytes of invalidTexts) {
  const long = Buffer.concat([Buffer.from("ñ".repeat(100)), hex(bytes)]);
  assertFails(`text ${bytes}`, 1007, (sender) => frameFrom(sender, 0x81, hex(bytes)));
  assertFails(`text …${bytes}`, 1007, (sender) => frameFrom(sender, 0x81, long));
  assertFails(`text ${bytes} in a fragment`, 1007, (sender) => frameFrom(sender, 0x01, hex(bytes)));
}
for (const cut of ["c3", "e2 82", "f0 9f 92"]) {
  assertFails(`text cut after ${cut}`, 1007, (sender) => frameFrom(sender, 0x81, hex(cut)));
  assertFails(`text cut after ${cut}, in fragments`, 1007, (sender) =>
    Buffer.concat([frameFrom(sender, 0x01, hex(cut)), frameFrom(sender, 0x80)]),
  );
}

for (const role of roles) {
  const sender = peerOf(role);
  test(`${role}: text fails at the earliest byte that cannot be right`, () => {
    // [bytes that may still be right, the byte that cannot]
    for (const [good, bad] of [
      ["f4", "90"],
      ["ed", "a0"],
      ["e0", "9f"],
      ["f0", "8f"],
      ["e2 82", "28"],
      ["c3 b1", "c0"],
    ] as const) {
      const whole = frameFrom(sender, 0x01, Buffer.concat([hex(good), hex(bad), Buffer.alloc(50, 97)]));
      const upTo = whole.length - 51;
      const recorder = new Recorder(role).feed(whole.subarray(0, upTo), 1);
      assert.equal(recorder.failure, undefined);
      const later = new Recorder(role).feed(whole.subarray(0, upTo + 1), 1);
      assert.equal(later.failure?.closeCode, 1007);
    }
  });

  test(`${role}: characters split over fragments and segments come out whole`, () => {
    const text = "κόσμε € 𝄞 \u{10ffff} \ud7ff \ue000";
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const frames = [
        frameFrom(sender, 0x01, bytes.subarray(0, cut)),
        frameFrom(sender, 0x80, bytes.subarray(cut)),
      ];
      for (const portion of [1, 2, 1000]) {
        assert.deepEqual(new Recorder(role).feed(Buffer.concat(frames), portion).messages, [text]);
      }
    }
  });
}
