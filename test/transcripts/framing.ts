// What stands around a message on each transport, and its form.
import { toBinaryMessage, toJsonMessage } from "@zocalo/protocol";
import type { Transport } from "./transcript.ts";
import { printFrame, readFrame } from "./wire.ts";

const TEXT = 0x81;
const CLOSE = 0x88;
/** Any mask will do (RFC 6455 §5.3). This one leaves the file legible. */
const MASK = Buffer.alloc(4);

/** The request that opens a WebSocket. */
export const UPGRADE = Buffer.from(
  [
    "GET /ws HTTP/1.1",
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "\r\n",
  ].join("\r\n"),
);

/** A Close frame with code 1000. */
export const CLOSE_FRAME = printFrame({ first: CLOSE, mask: MASK, payload: Buffer.from([0x03, 0xe8]) });

/** What the server said: a message, the code of a Close frame, or the status of its answer to the upgrade. */
export type Said = { readonly text: string } | { readonly code: number } | { readonly status: string };

/** Takes the framing off. @throws Error for a frame that no version of the server sends */
export function saidIn(transport: Transport, bytes: Buffer): Said {
  if (transport === "binary") {
    const said = toJsonMessage(bytes);
    if (said === undefined) throw new Error(`no message: ${bytes.toString("hex")}`);
    return { text: said };
  }
  if (transport !== "websocket") return { text: bytes.toString().trimEnd() };
  const text = bytes.toString("latin1");
  if (text.startsWith("HTTP/")) return { status: text.slice(0, text.indexOf("\r\n")) };
  const frame = readFrame(bytes);
  if (frame?.first === TEXT) return { text: frame.payload.toString() };
  if (frame?.first === CLOSE) return { code: frame.payload.readUInt16BE() };
  throw new Error(`a frame of another kind: ${bytes.toString("hex")}`);
}

/** A message of a client, with its framing. */
export function framed(transport: Transport, text: string): Buffer {
  if (transport === "tcp") return Buffer.from(`${text}\n`);
  if (transport === "binary") return Buffer.from(toBinaryMessage(text));
  const payload = Buffer.from(text);
  return transport === "udp" ? payload : printFrame({ first: TEXT, mask: MASK, payload });
}

/** The same bytes of a client with other names in them. */
export function renamed(transport: Transport, bytes: Buffer, names: ReadonlyMap<string, string>): Buffer {
  if (transport === "binary") return replacedRaw(bytes, names);
  if (transport !== "websocket" || bytes.equals(UPGRADE)) return replaced(bytes, names);
  const frame = readFrame(bytes);
  if (frame === undefined || frame.first !== TEXT) return bytes;
  const payload = replaced(frame.payload, names);
  return payload.equals(frame.payload) ? bytes : printFrame({ ...frame, payload });
}

function replaced(bytes: Buffer, names: ReadonlyMap<string, string>): Buffer {
  let text = bytes.toString("latin1");
  for (const [recorded, now] of names) text = text.replaceAll(JSON.stringify(recorded), JSON.stringify(now));
  return Buffer.from(text, "latin1");
}

/** In the binary form a text stands behind its length. */
function replacedRaw(bytes: Buffer, names: ReadonlyMap<string, string>): Buffer {
  let text = bytes.toString("latin1");
  for (const [recorded, now] of names) {
    if (!text.includes(recorded)) continue;
    if (now.length !== recorded.length) throw new Error(`${now} is not as long as ${recorded} was`);
    text = text.replaceAll(recorded, now);
  }
  return Buffer.from(text, "latin1");
}
