// Framings on the wire, written again from their documentation: the far end does not ask the package.
import { IntegrityFailure } from "@zocalo/integrity";

export const FRAMINGS = ["lines", "delimited", "u16", "u32", "varint"] as const;
export type Framing = (typeof FRAMINGS)[number];

/** Long enough that no stamped bytes hold it by chance. */
export const DELIMITER = "\r\n--the end of a message--\0";

export function encode(payload: Buffer, framing: Framing): Buffer[] {
  switch (framing) {
    case "lines":
      return [payload, Buffer.from("\n")];
    case "delimited":
      return [payload, Buffer.from(DELIMITER)];
    case "u16":
    case "u32": {
      const head = Buffer.alloc(framing === "u16" ? 2 : 4);
      head.writeUIntBE(payload.length, 0, head.length);
      return [head, payload];
    }
    case "varint": {
      const head: number[] = [];
      let rest = payload.length;
      for (; rest > 127; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
      head.push(rest);
      return [Buffer.from(head), payload];
    }
  }
}

/** All whole messages in `wire`. */
export function decode(wire: Buffer, framing: Framing): Buffer[] {
  const messages: Buffer[] = [];
  if (framing === "lines" || framing === "delimited") {
    const delimiter = framing === "lines" ? "\n" : DELIMITER;
    for (let at = 0; ; ) {
      const end = wire.indexOf(delimiter, at);
      if (end === -1) return messages;
      messages.push(wire.subarray(at, end));
      at = end + delimiter.length;
    }
  }
  for (let at = 0; at < wire.length; ) {
    const head = readLength(wire, at, framing);
    if (head === undefined || head.end + head.length > wire.length) return messages;
    // A length that was overwritten would otherwise look like one message that has not come whole.
    if (head.length > 1_000_000)
      throw new IntegrityFailure(`byte ${at} of the wire is no length: ${head.length}`);
    messages.push(wire.subarray(head.end, head.end + head.length));
    at = head.end + head.length;
  }
  return messages;
}

function readLength(
  wire: Buffer,
  at: number,
  framing: "u16" | "u32" | "varint",
): { length: number; end: number } | undefined {
  if (framing !== "varint") {
    const size = framing === "u16" ? 2 : 4;
    return at + size > wire.length ? undefined : { length: wire.readUIntBE(at, size), end: at + size };
  }
  let length = 0;
  for (let i = 0; ; i += 1) {
    const byte = wire[at + i];
    if (byte === undefined) return undefined;
    length += (byte % 128) * 128 ** i;
    if (byte < 128) return { length, end: at + i + 1 };
  }
}
