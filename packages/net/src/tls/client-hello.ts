import type { Socket } from "node:net";
import { readReset } from "../node/reset.ts";

/** The longest ClientHello that is looked at, in bytes; that of OpenSSL's servers. */
const MAX_HELLO_BYTES = 16_384;

const HANDSHAKE_RECORD = 22;
const RECORD_HEADER_BYTES = 5;
const CLIENT_HELLO = 1;

/** What a ClientHello (RFC 8446 §4.1.2) says that Node does not tell. */
export interface ClientHello {
  /**
   * The name that the client asks for (RFC 6066 §3), in lower case and without a dot at its end. Of a TLS 1.2
   * session that is resumed OpenSSL does not know it.
   */
  readonly serverName: string | undefined;
}

/**
 * Waits for the first flight of a TLS client and looks at it; then the socket is as if nobody had. Until it
 * has come, a connection needs none of OpenSSL's memory, and its end is noticed at once. What is no
 * ClientHello, or too long, is left for OpenSSL to answer.
 *
 * @throws what broke the connection; `ECONNRESET` if it ended.
 */
export function clientHello(socket: Socket): Promise<ClientHello> {
  return new Promise((resolve, reject) => {
    const reader = new HelloReader();
    const settle = (outcome: () => void): void => {
      socket.off("readable", onReadable);
      socket.off("end", onGone);
      socket.off("error", onError);
      socket.off("close", onGone);
      outcome();
    };
    const onReadable = (): void => {
      for (;;) {
        const portion: unknown = socket.read();
        if (!Buffer.isBuffer(portion)) return;
        const hello = reader.add(portion);
        if (hello === undefined) continue;
        settle(() => resolve(hello));
        socket.unshift(Buffer.from(reader.received));
        return;
      }
    };
    const onGone = (): void => settle(() => reject(readReset()));
    const onError = (error: unknown): void => settle(() => reject(error));
    if (socket.destroyed) return onGone();
    socket.on("readable", onReadable);
    socket.on("end", onGone);
    socket.on("error", onError);
    socket.on("close", onGone);
  });
}

/**
 * Puts the first message of a handshake together, which may be cut into several records (RFC 8446 §5.1). Each
 * byte is taken once, in however small pieces and records it comes.
 */
export class HelloReader {
  readonly #received = new Collected();
  /** Where the record begins that is not yet complete. */
  #record = 0;
  /** What the complete records hold. */
  readonly #message = new Collected();

  /** All that came. */
  get received(): Buffer {
    return this.#received.bytes;
  }

  /** Takes what came. @returns `undefined` if more has to come. */
  add(portion: Buffer): ClientHello | undefined {
    this.#received.add(portion);
    const found = this.#read();
    if (found === "incomplete") return undefined;
    return { serverName: found === "other" ? undefined : serverNameOf(found) };
  }

  #read(): Buffer | "incomplete" | "other" {
    const { received } = this;
    for (;;) {
      const at = this.#record;
      // Who sends no handshake records says so by the first bytes.
      if (at < received.length && received[at] !== HANDSHAKE_RECORD) return "other";
      if (at + 1 < received.length && received[at + 1] !== 3) return "other";
      const start = at + RECORD_HEADER_BYTES;
      if (start > received.length) return "incomplete";
      const end = start + received.readUInt16BE(at + 3);
      if (end === start || end - start > MAX_HELLO_BYTES) return "other";
      if (end > received.length) return "incomplete";
      this.#message.add(received.subarray(start, end));
      this.#record = end;
      const { bytes } = this.#message;
      if (bytes[0] !== CLIENT_HELLO) return "other";
      if (bytes.length < 4) continue;
      const wanted = 4 + bytes.readUIntBE(1, 3);
      if (wanted > MAX_HELLO_BYTES) return "other";
      if (bytes.length >= wanted) return bytes.subarray(4, wanted);
    }
  }
}

/** Bytes that come in pieces, in one memory that doubles. */
class Collected {
  #memory = Buffer.alloc(0);
  #length = 0;

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  add(portion: Buffer): void {
    const length = this.#length + portion.length;
    if (length > this.#memory.length) {
      const larger = Buffer.alloc(Math.max(length, 2 * this.#memory.length));
      this.bytes.copy(larger);
      this.#memory = larger;
    }
    portion.copy(this.#memory, this.#length);
    this.#length = length;
  }
}

/**
 * A name is the same with a dot at its end. RFC 6066 §3 wants none, and some clients send what their user
 * wrote.
 */
export function withoutDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function serverNameOf(hello: Buffer): string | undefined {
  // legacy_version and random, then session id, cipher suites, compression methods, extensions.
  const rest = new Fields(hello.subarray(34));
  rest.vector(1);
  rest.vector(2);
  rest.vector(1);
  const extensions = new Fields(rest.vector(2));
  while (extensions.hasMore) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type !== 0) continue;
    const names = new Fields(new Fields(content).vector(2));
    // The only kind of name there is: host_name, 0.
    if (names.number(1) !== 0) return undefined;
    const name = withoutDot(names.vector(2).toString("latin1").toLowerCase());
    return name === "" ? undefined : name;
  }
  return undefined;
}

/** Reads what is there; past the end there are zeros. Whether that was right is for OpenSSL to say. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  number(size: 1 | 2): number {
    const at = this.#at;
    this.#at += size;
    return this.#at > this.#bytes.length ? 0 : this.#bytes.readUIntBE(at, size);
  }

  vector(lengthSize: 1 | 2): Buffer {
    const length = this.number(lengthSize);
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }
}
