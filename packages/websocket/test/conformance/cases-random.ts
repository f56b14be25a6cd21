// Section 14: frames with harm done to them, by seed. Whatever comes, the subject answers in valid frames,
// says nothing behind a Close frame, and lets go of TCP.
import { Random } from "@zocalo/integrity";
import { type Case, must } from "./case.ts";
import { messageOf } from "./payload.ts";
import type { Peer } from "./peer.ts";
import { BINARY, CLOSE, closing, CONTINUATION, PING, PONG, TEXT } from "./wire.ts";

const COUNT = 200;
/** Those that belong to the short cases. */
const SHORT_COUNT = 40;

/** Valid frames, mostly in a valid order, and then up to three harms. */
function harmedFrames(peer: Peer, random: Random): Buffer {
  const upTo = (limit: number): number => random.below(limit);
  const frames: Buffer[] = [];
  for (let left = 2 + upTo(8); left > 0; left--) {
    const payload = messageOf(
      random.chance(0.7) ? "prose" : "random",
      1 + upTo(random.chance(0.1) ? 70_000 : 300),
      upTo(1000),
    );
    const kind = upTo(8);
    if (kind === 0) frames.push(peer.fragments(TEXT, payload, 1 + upTo(100)));
    else if (kind === 1) frames.push(peer.compressed(TEXT, payload, 1 + upTo(100)));
    else if (kind === 2) frames.push(peer.frame(PING, payload.subarray(0, upTo(126))));
    else if (kind === 3) frames.push(peer.frame(PONG, payload.subarray(0, upTo(126))));
    else if (kind === 4 && upTo(4) === 0)
      frames.push(peer.frame(CONTINUATION, payload, { isFinal: upTo(2) === 0 }));
    else if (kind === 5 && upTo(4) === 0) frames.push(peer.frame(CLOSE, closing(990 + upTo(30))));
    else frames.push(peer.compressed(upTo(2) === 0 ? TEXT : BINARY, payload));
  }
  let bytes = Buffer.concat(frames);
  for (let harm = upTo(4); harm > 0; harm--) {
    const at = upTo(bytes.length);
    const kind = upTo(3);
    if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << upTo(8));
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + upTo(8))]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(upTo(at + 1), at), bytes.subarray(at)]);
  }
  return bytes;
}

export const randomCases: readonly Case[] = Array.from({ length: COUNT }, (_, i) => ({
  id: `14.1.${i + 1}`,
  title: `harmed frames, seed ${i + 1}`,
  isLong: i >= SHORT_COUNT,
  async run(peer) {
    const random = new Random(i + 1);
    const bytes = harmedFrames(peer, random);
    await peer.write(bytes, random.chance(0.5) ? undefined : random.int(1, 2000));
    peer.endWriting();
    for (let frames = 0; ; frames++) {
      if (typeof (await peer.next()) === "string") return;
      must(frames < 10_000, "it goes on and on");
    }
  },
}));
