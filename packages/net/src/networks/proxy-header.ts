import { isIPv4, isIPv6 } from "node:net";
import { NetError } from "../contracts/error.ts";

/** The longest header of version 1, its line end included, in bytes (PROXY protocol §2.1). */
const MAX_V1_BYTES = 107;
/**
 * The longest header of version 2 that is taken, in bytes: addresses take 36, extensions rarely more than
 * some hundreds.
 */
const MAX_V2_BYTES = 4096;
/** "\r\n\r\n\0\r\nQUIT\n" (§2.2). */
const V2_SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const V2_FIXED_BYTES = 16;
/** The command of a connection that is the proxy's own; its family is ignored (§2.2). */
const V2_LOCAL = 0;
/** The last values that have a meaning: PROXY, AF_UNIX, DGRAM. What lies past them must be refused (§2.2). */
const MAX_V2_COMMAND = 1;
const MAX_V2_FAMILY = 3;
const MAX_V2_PROTOCOL = 2;

/** What a proxy says of the connection it passes on. */
export interface ProxyHeader {
  /** How many bytes the header takes. */
  readonly length: number;
  /**
   * The two ends of the original connection; `undefined` for the proxy's own (health checks), for unknown
   * ones and for those that are not TCP over IP: there the addresses of the proxy's connection hold.
   */
  readonly ends: { readonly source: Endpoint; readonly destination: Endpoint } | undefined;
}

/** An IP address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads a PROXY protocol header, version 1 or 2, at the beginning of `bytes`. Strict: what is not exactly as
 * specified is refused. `undefined` means that more bytes are needed.
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
  if (command > MAX_V2_COMMAND) throw fault(`command ${command}`);
  if (length > MAX_V2_BYTES) throw fault(`header of ${length} bytes, the limit is ${MAX_V2_BYTES}`);
  const addressBytes = command === V2_LOCAL ? undefined : addressBytesOf(familyAndProtocol);
  if (addressBytes !== undefined && length < V2_FIXED_BYTES + 2 * addressBytes + 4) {
    throw fault("header too short for its addresses");
  }
  if (buffer.length < length) return undefined;
  if (addressBytes === undefined) return { length, ends: undefined };
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

/**
 * How long each address of a relayed connection is. `undefined` for valid families other than TCP over IP: a
 * receiver must then keep the connection's own addresses (§2.2).
 */
function addressBytesOf(familyAndProtocol: number): number | undefined {
  const family = familyAndProtocol >> 4;
  const protocol = familyAndProtocol & 0x0f;
  if (family > MAX_V2_FAMILY || protocol > MAX_V2_PROTOCOL) {
    throw fault(`family and protocol 0x${familyAndProtocol.toString(16).padStart(2, "0")}`);
  }
  return familyAndProtocol === 0x11 ? 4 : familyAndProtocol === 0x21 ? 16 : undefined;
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
