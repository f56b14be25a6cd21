import { isIPv4, isIPv6 } from "node:net";
import { NetError } from "./error.ts";

/** The longest header of version 1, its line end included, in bytes (PROXY protocol §2.1). */
const MAX_V1_BYTES = 107;
/** The longest header of version 2 that is taken, in bytes: addresses take 36, extensions rarely more than some hundreds. */
const MAX_V2_BYTES = 4096;
/** "\r\n\r\n\0\r\nQUIT\n" (§2.2). */
const V2_SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const V2_FIXED_BYTES = 16;

/** What a proxy says of the connection it passes on. */
export interface ProxyHeader {
  /** How many bytes the header takes. */
  readonly length: number;
  /** The two ends of the original connection; `undefined` for the proxy's own (health checks) and for unknown ones. */
  readonly ends: { readonly source: Endpoint; readonly destination: Endpoint } | undefined;
}

/** An IP address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads a PROXY protocol header, version 1 or 2, at the beginning of `bytes`. Strict: what is not exactly as specified is refused.
 * `undefined` means that more bytes are needed.
 *
 * Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 *
 * @throws NetError `bad_frame`.
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const signature = buffer.subarray(0, V2_SIGNATURE.length);
  if (V2_SIGNATURE.subarray(0, signature.length).equals(signature)) {
    return buffer.length < V2_FIXED_BYTES ? undefined : parseV2(buffer);
  }
  return parseV1(buffer);
}

function parseV1(buffer: Buffer): ProxyHeader | undefined {
  const start = buffer.toString("latin1", 0, Math.min(6, buffer.length));
  if (!"PROXY ".startsWith(start)) throw fault("no PROXY header");
  const end = buffer.indexOf("\r\n");
  if (end === -1) {
    if (buffer.length >= MAX_V1_BYTES) throw fault(`line longer than ${MAX_V1_BYTES} bytes`);
    return undefined;
  }
  const length = end + 2;
  if (length > MAX_V1_BYTES) throw fault(`line longer than ${MAX_V1_BYTES} bytes`);
  const words = buffer.toString("latin1", 0, end).split(" ");
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  if (family === "UNKNOWN") return { length, ends: undefined }; // §2.1: whatever follows is to be ignored.
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : undefined;
  if (!isAddress || words.length !== 6) throw fault("malformed line");
  if (![source, destination].every((host) => isAddress(host) && !host.includes("%")))
    throw fault("malformed address");
  return {
    length,
    ends: {
      source: { host: source, port: portOf(sourcePort) },
      destination: { host: destination, port: portOf(destinationPort) },
    },
  };
}

function portOf(text: string): number {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw fault("malformed port");
  return port;
}

function parseV2(buffer: Buffer): ProxyHeader | undefined {
  const versionAndCommand = buffer.readUInt8(12);
  const familyAndProtocol = buffer.readUInt8(13);
  const length = V2_FIXED_BYTES + buffer.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2) throw fault(`version ${versionAndCommand >> 4}`);
  const command = versionAndCommand & 0x0f;
  if (command > 1) throw fault(`command ${command}`);
  if (length > MAX_V2_BYTES) throw fault(`header of ${length} bytes, the limit is ${MAX_V2_BYTES}`);
  const addressBytes = familyAndProtocol === 0x11 ? 4 : familyAndProtocol === 0x21 ? 16 : undefined;
  // LOCAL, and families that are not TCP over IP, leave the connection's own addresses.
  const keepsOwn = command === 0 || familyAndProtocol === 0;
  if (!keepsOwn && addressBytes === undefined)
    throw fault(`family and protocol 0x${familyAndProtocol.toString(16)}`);
  if (!keepsOwn && addressBytes !== undefined && length < V2_FIXED_BYTES + 2 * addressBytes + 4) {
    throw fault("header too short for its addresses");
  }
  if (buffer.length < length) return undefined;
  if (keepsOwn || addressBytes === undefined) return { length, ends: undefined };
  const hostAt = (at: number): string => printIp(buffer.subarray(at, at + addressBytes));
  const ports = V2_FIXED_BYTES + 2 * addressBytes;
  return {
    length,
    ends: {
      source: { host: hostAt(V2_FIXED_BYTES), port: buffer.readUInt16BE(ports) },
      destination: { host: hostAt(V2_FIXED_BYTES + addressBytes), port: buffer.readUInt16BE(ports + 2) },
    },
  };
}

function printIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  // The platform knows the shortest form (RFC 5952).
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function fault(what: string): NetError {
  return new NetError({ op: "accept", code: "bad_frame", reason: `PROXY protocol: ${what}` });
}
