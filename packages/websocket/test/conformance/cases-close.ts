// Section 7: the closing handshake.
import type { Case } from "./case.ts";
import { BINARY, CLOSE, closing, CONTINUATION, PING, TEXT } from "./wire.ts";

const VALID = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
const INVALID = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65_535];

const handshakes: Case[] = [
  {
    id: "7.1.1",
    title: "a message, then close",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(TEXT, "Hello World!"), peer.frame(CLOSE, closing(1000))]));
      await peer.echoes(TEXT, "Hello World!");
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.2",
    title: "two Close frames: one answer",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(CLOSE, closing(1000)), peer.frame(CLOSE, closing(1001))]));
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.3",
    title: "a ping after close: no pong",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(CLOSE, closing(1000)), peer.frame(PING, "late")]));
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.4",
    title: "a text after close: no echo",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(CLOSE, closing(1000)), peer.frame(TEXT, "late")]));
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.4b",
    title: "rubbish after close: nothing comes of it",
    async run(peer) {
      await peer.write(Buffer.concat([peer.frame(CLOSE, closing(1000)), Buffer.alloc(100_000, 0xff)]));
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.5",
    title: "a fragment, close, the rest: no echo",
    async run(peer) {
      const frames = [
        peer.frame(TEXT, "fragment1", { isFinal: false }),
        peer.frame(CLOSE, closing(1000)),
        peer.frame(CONTINUATION, "fragment2"),
      ];
      await peer.write(Buffer.concat(frames));
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.6",
    title: "256 KiB, a small one, close and a ping: both echoed, no pong",
    async run(peer) {
      const large = Buffer.alloc(262_144, "BAsd7&jh23");
      const frames = [
        peer.frame(TEXT, large),
        peer.frame(TEXT, "after large payload"),
        peer.frame(CLOSE, closing(1000)),
        peer.frame(PING, "late"),
      ];
      await peer.write(Buffer.concat(frames));
      await peer.echoes(TEXT, large);
      await peer.echoes(TEXT, "after large payload");
      await peer.closed(1000);
    },
  },
  {
    id: "7.1.7",
    title: "8 MiB and close in the same breath: all of it comes back first",
    isLong: true,
    async run(peer) {
      const large = Buffer.alloc(8_388_608, 0xa5);
      await peer.write(Buffer.concat([peer.frame(BINARY, large), peer.frame(CLOSE, closing(1001))]));
      await peer.echoes(BINARY, large);
      await peer.closed(1001);
    },
  },
];

handshakes.push(
  {
    id: "7.2.1",
    title: "the client leaves it to the server to end TCP",
    subject: "client",
    async run(peer) {
      await peer.write(peer.frame(CLOSE, closing(1000)));
      await peer.closed(1000, 100);
    },
  },
  {
    id: "7.2.3",
    title: "a message, close, and the end of TCP behind them: the echo and the Close frame still come",
    async run(peer) {
      const large = Buffer.alloc(300_000, "Hello");
      await peer.write(Buffer.concat([peer.frame(TEXT, large), peer.frame(CLOSE, closing(1000))]));
      peer.endWriting();
      await peer.echoes(TEXT, large);
      await peer.closed(1000);
    },
  },
  {
    id: "7.2.2",
    title: "the server ends TCP by itself, though the client goes on sending",
    subject: "server",
    async run(peer) {
      await peer.write(peer.frame(CLOSE, closing(1000)));
      await peer.write(Buffer.alloc(2_000_000, peer.frame(TEXT, "late")));
      await peer.closed(1000);
    },
  },
);

const payloads: Case[] = [
  ...[undefined, 1].map(
    (chop, i): Case => ({
      id: `7.3.1${i === 0 ? "" : "b"}`,
      title: `an empty Close frame${i === 0 ? "" : ", octet by octet"}`,
      async run(peer) {
        await peer.write(peer.frame(CLOSE), chop);
        await peer.closed(undefined);
      },
    }),
  ),
  ...[0, 3, 255].map(
    (byte, i): Case => ({
      id: `7.3.2${"abc"[i]}`,
      title: `a payload of one byte, ${byte}`,
      async run(peer) {
        await peer.write(peer.frame(CLOSE, Buffer.from([byte])));
        await peer.fails(1002);
      },
    }),
  ),
  closes("7.3.3", "a code without a reason", 1000, ""),
  closes("7.3.4", "a code and a reason", 1000, "Hello World!"),
  closes("7.3.5", "a reason of 123 bytes", 1000, "*".repeat(123)),
  closes("7.3.5b", "a reason of 123 bytes, most of them in pairs", 1000, `${"ñ".repeat(61)}*`),
  {
    id: "7.3.6",
    title: "a reason of 124 bytes",
    async run(peer) {
      await peer.write(peer.frame(CLOSE, closing(1000, "*".repeat(124))));
      await peer.fails(1002);
    },
  },
  ...["ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64", "ff", "c3", "c0 80", "f4 90 80 80"].map(
    (reason, i): Case => ({
      id: `7.5.${i + 1}`,
      title: `a reason that is not UTF-8: ${reason}`,
      async run(peer) {
        await peer.write(peer.frame(CLOSE, closing(1000, Buffer.from(reason.replaceAll(" ", ""), "hex"))));
        await peer.fails(1007);
      },
    }),
  ),
];

function closes(id: string, title: string, code: number, reason: string): Case {
  return {
    id,
    title,
    async run(peer) {
      await peer.write(peer.frame(CLOSE, closing(code, reason)));
      await peer.closed(code);
    },
  };
}

const codes: Case[] = [
  ...VALID.flatMap((code, i) => [
    closes(`7.7.${i + 1}a`, `code ${code}`, code, ""),
    closes(`7.7.${i + 1}b`, `code ${code} with a reason`, code, "adiós"),
  ]),
  ...INVALID.flatMap((code, i) =>
    ["", "good bye"].map(
      (reason, j): Case => ({
        id: `7.9.${i + 1}${"ab"[j]}`,
        title: `invalid code ${code}${reason === "" ? "" : " with a reason"}`,
        async run(peer) {
          await peer.write(peer.frame(CLOSE, closing(code, reason)));
          await peer.fails(1002);
        },
      }),
    ),
  ),
];

export const closeCases: readonly Case[] = [...handshakes, ...payloads, ...codes];
