import type { Data } from "@zocalo/protocol";

/** What is used of a hub to keep checkpoints; that of `@zocalo/hub` has it. */
export interface SavesHub {
  publish(channel: string, data: Uint8Array): Promise<unknown>;
  history(
    channel: string,
    options: { readonly after: number; readonly limit: number },
  ): Promise<{
    readonly head: number;
    readonly publications: readonly { readonly offset: number; readonly data: Data }[];
  }>;
}

/** Bytes of a publication, its header included: the namespaces' default takes them. */
const CHUNK_BYTES = 32_768;
/** Of each: the number of the save, of the chunk, and of the chunks, in 4 bytes each, the lower first. */
const HEADER_BYTES = 12;
const DATA_BYTES = CHUNK_BYTES - HEADER_BYTES;
/** Publications that are kept of each channel; half of them may be one save. */
export const KEPT_CHUNKS = 64;
/** What is longer is not kept. */
export const MAX_SAVE_BYTES = (KEPT_CHUNKS / 2) * DATA_BYTES;

/**
 * Keeps values as the newest of a channel's publications, through whatever engine the hub has. A value is
 * there whole or not at all: a process that dies in the middle leaves the one before.
 */
export class Saves {
  readonly #hub: SavesHub;

  constructor(hub: SavesHub) {
    this.#hub = hub;
  }

  /**
   * Resolves when the engine has committed it. Wait for one before the next of the same channel.
   *
   * @throws RangeError for more than `MAX_SAVE_BYTES`; what `hub.publish` throws
   */
  async write(channel: string, save: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_SAVE_BYTES) {
      throw new RangeError(`a room of ${bytes.length} bytes is not kept; allowed: ${MAX_SAVE_BYTES}`);
    }
    const count = Math.max(1, Math.ceil(bytes.length / DATA_BYTES));
    const sent: Promise<unknown>[] = [];
    for (let chunk = 0; chunk < count; chunk++) {
      const part = bytes.subarray(chunk * DATA_BYTES, (chunk + 1) * DATA_BYTES);
      const message = new Uint8Array(HEADER_BYTES + part.length);
      const view = new DataView(message.buffer);
      view.setUint32(0, save, true);
      view.setUint32(4, chunk, true);
      view.setUint32(8, count, true);
      message.set(part, HEADER_BYTES);
      sent.push(this.#hub.publish(channel, message));
    }
    // None is under way any more when the next one begins, whichever failed.
    const results = await Promise.allSettled(sent);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /**
   * The newest that is whole, and the highest number of any; `undefined` if there is none.
   *
   * @throws what `hub.history` throws
   */
  async read(channel: string): Promise<{ readonly save: number; readonly bytes: Uint8Array } | undefined> {
    const { head } = await this.#hub.history(channel, { after: 0, limit: 1 });
    const after = Math.max(0, head - KEPT_CHUNKS);
    const { publications } = await this.#hub.history(channel, { after, limit: KEPT_CHUNKS });
    const chunks = publications.map(({ data }) => chunkOf(data));
    // Above that of one that was cut off: two of one number could be taken for one.
    const number = chunks.reduce((most, chunk) => Math.max(most, chunk?.save ?? 0), 0);
    for (let last = chunks.length - 1; last >= 0; last--) {
      const newest = chunks[last];
      if (newest === undefined || newest.chunk !== newest.count - 1) continue;
      const parts = chunks.slice(Math.max(0, last - newest.chunk), last + 1);
      const isWhole = parts.every((part, at) => part?.save === newest.save && part.chunk === at);
      if (!isWhole || parts.length !== newest.count) continue;
      return { save: number, bytes: joined(parts.map((part) => part?.bytes ?? new Uint8Array())) };
    }
    return undefined;
  }
}

interface Chunk {
  readonly save: number;
  readonly chunk: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

function chunkOf(data: Data): Chunk | undefined {
  if (!(data instanceof Uint8Array) || data.length < HEADER_BYTES) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const [save, chunk, count] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)];
  return { save, chunk, count, bytes: data.subarray(HEADER_BYTES) };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
