import { Random } from "@zocalo/integrity";

/** Text of so many bytes, most of its characters longer than one. */
export function textOf(length: number): Buffer {
  const unit = Buffer.from("ñandú €𝄞 κόσμε ");
  const whole = length - (length % unit.length);
  return Buffer.concat([Buffer.alloc(whole, unit), Buffer.alloc(length - whole, "*")]);
}

/** Bytes that cannot be compressed. */
export function noiseOf(length: number, seed = 1): Buffer {
  return new Random(seed).bytes(length);
}

/** What messages are made of. */
export const KINDS = ["json", "random", "prose", "repeated", "mixed"] as const;
export type Kind = (typeof KINDS)[number];

const POOL_BYTES = 1_048_576;
const pools = new Map<Kind, Buffer>();

function poolOf(kind: Kind): Buffer {
  let pool = pools.get(kind);
  if (pool === undefined) {
    pool = makePool(kind);
    pools.set(kind, pool);
  }
  return pool;
}

function makePool(kind: Kind): Buffer {
  const random = new Random(7);
  const upTo = (limit: number): number => random.below(limit);
  if (kind === "random") return noiseOf(POOL_BYTES, 7);
  if (kind === "repeated") return Buffer.alloc(POOL_BYTES, "abcdefgh".repeat(40) + "\0".repeat(700));
  const words =
    "de la que el en y a los del se las por un para con no una su al lo como más pero κόσμε €5 ñandú 𝄞".split(
      " ",
    );
  const parts: string[] = [];
  for (let length = 0; length < POOL_BYTES; ) {
    const word = words[upTo(words.length)] as string;
    const next =
      kind === "json"
        ? `{"id":${upTo(1e6)},"user":"user-${upTo(500)}","text":"${Buffer.from(word).toString("hex")}","at":${1.7e12 + upTo(1e9)},"tags":["a","b${upTo(9)}"]},`
        : kind === "prose" || upTo(2) === 0
          ? `${word} `
          : upTo(2 ** 31).toString(36);
    length += Buffer.byteLength(next);
    parts.push(next);
  }
  return Buffer.from(parts.join(""));
}

/** The `index`th of many different messages of `size` bytes (text may be up to 3 shorter). */
export function messageOf(kind: Kind, size: number, index: number): Buffer {
  const pool = poolOf(kind);
  let start = (index * 7919) % (pool.length - size);
  let end = start + size;
  if (kind !== "random") {
    while (isInCharacter(pool, start)) start++;
    while (isInCharacter(pool, end)) end--;
  }
  return pool.subarray(start, Math.max(start, end));
}

function isInCharacter(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & 0xc0) === 0x80;
}
