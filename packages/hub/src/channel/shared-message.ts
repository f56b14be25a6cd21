import { PreparedMessage } from "@zocalo/net";
import {
  encodeBinaryPublication,
  encodePublication,
  type StoredPublication,
  toBinaryMessage,
} from "@zocalo/protocol";
import { utf8Length } from "../primitives/utf8.ts";

/** A message for many connections: made once in each form that any of them speaks, when one needs it. */
export abstract class SharedMessage {
  #text: PreparedMessage | undefined;
  #binary: PreparedMessage | undefined;
  /** Of the longest form that was made, in UTF-16 code units where it is text. */
  length = 0;
  /** The same in bytes. */
  bytes = 0;

  protected abstract makeText(): string;

  protected makeBinary(): Uint8Array {
    return toBinaryMessage(this.text.message as string);
  }

  /** As JSON text. */
  get text(): PreparedMessage {
    if (this.#text) return this.#text;
    const text = this.makeText();
    this.#made(text.length, utf8Length(text));
    this.#text = new PreparedMessage(text);
    return this.#text;
  }

  /** In the binary form. */
  get binary(): PreparedMessage {
    if (this.#binary) return this.#binary;
    const bytes = this.makeBinary();
    this.#made(bytes.length, bytes.length);
    this.#binary = new PreparedMessage(bytes);
    return this.#binary;
  }

  #made(length: number, bytes: number): void {
    this.length = Math.max(this.length, length);
    this.bytes = Math.max(this.bytes, bytes);
  }
}

/** What a publication of these data takes, about: it is there as data, as a message and as a frame. */
export function bytesOf({ length }: string | Uint8Array): number {
  return 3 * length + 1_000;
}

/** A publication of a channel. Its bytes go into the binary form as they are kept. */
export class PublicationMessage extends SharedMessage {
  readonly #channel: string;
  readonly #publication: StoredPublication;

  constructor(channel: string, publication: StoredPublication) {
    super();
    this.#channel = channel;
    this.#publication = publication;
  }

  protected override makeText(): string {
    return encodePublication(this.#channel, this.#publication);
  }

  protected override makeBinary(): Uint8Array {
    return encodeBinaryPublication(this.#channel, this.#publication);
  }
}

/** Any other message that goes to many. */
export class TextMessage extends SharedMessage {
  readonly #json: string;

  constructor(text: string) {
    super();
    this.#json = text;
  }

  protected override makeText(): string {
    return this.#json;
  }
}
