import { gunzipSync } from "node:zlib";

/** A file of a tarball. */
export interface TarballFile {
  /** Without the `package/` that npm puts before it. */
  readonly path: string;
  readonly content: Buffer;
}

const BLOCK_BYTES = 512;
const REGULAR_FILES = new Set(["0", "\0"]);
/** A header of POSIX.1-2001 that says of the next file what has no room in the old one. */
const EXTENDED = "x";

/** The files of a tarball as npm packs it, sorted by path. */
export function readTarball(tarball: Uint8Array): TarballFile[] {
  const tar = gunzipSync(tarball);
  const files: TarballFile[] = [];
  let longPath: string | undefined;
  for (let at = 0; at + BLOCK_BYTES <= tar.length && tar[at] !== 0; ) {
    const field = (from: number, length: number): string =>
      tar.toString("utf8", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(field(124, 12), 8);
    const type = tar.toString("latin1", at + 156, at + 157);
    const content = tar.subarray(at + BLOCK_BYTES, at + BLOCK_BYTES + size);
    if (type === EXTENDED) {
      longPath = /^\d+ path=(.*)$/m.exec(content.toString("utf8"))?.[1];
    } else {
      const path = longPath ?? [field(345, 155), field(0, 100)].filter((part) => part !== "").join("/");
      if (REGULAR_FILES.has(type)) files.push({ path: path.replace(/^package\//, ""), content });
      longPath = undefined;
    }
    at += BLOCK_BYTES + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
