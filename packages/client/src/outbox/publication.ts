import { type Data, fromBase64, type Json, type ReceivedAnswer, toBase64 } from "@zocalo/protocol";
import { ChannelError } from "../primitives/error.ts";

/** Where a publication stands in its channel's log. */
export interface Published {
  readonly epoch: string;
  readonly offset: number;
}

/** What is published. */
export interface Content {
  /** Its data as JSON text. */
  readonly json: string;
  /** True: it is bytes, and `json` a string with their base64. */
  readonly isBytes?: boolean;
}

/** What is to be published, once. */
export interface Unpublished extends Content {
  readonly channel: string;
  readonly key: string;
}

/** @param name of what it is for. @throws TypeError for what JSON cannot say */
export function toContent(data: unknown, name: string): Content {
  if (data instanceof Uint8Array) return { json: `"${toBase64(data)}"`, isBytes: true };
  const json = JSON.stringify(data) as string | undefined;
  if (json === undefined) throw new TypeError(`${name}: JSON cannot say ${typeof data}`);
  return { json };
}

/** The member of a command that has it. Written by hand, so that `json` goes out as it is. */
export function encodeContent({ json, isBytes }: Content): string {
  return `"${isBytes === true ? "bytes" : "data"}":${json}`;
}

/** A `cast`, as its text. @param to its `channel` or `method` */
export function encodeCast(to: object, content: Content): string {
  return `${JSON.stringify({ type: "cast", ...to }).slice(0, -1)},${encodeContent(content)}}`;
}

/** Its command. */
export function encodePublish({ channel, key, ...content }: Unpublished): (id: number) => string {
  const rest = `"channel":"${channel}","key":${JSON.stringify(key)},${encodeContent(content)}}`;
  return (id) => `{"type":"publish","id":${id},${rest}`;
}

/** What is published, as subscribers have it. */
export function readContent({ json, isBytes }: Content): { readonly data: Data; readonly json: string } {
  const value = JSON.parse(json) as Json;
  const bytes = isBytes === true && typeof value === "string" ? fromBase64(value) : undefined;
  return bytes ? { data: bytes, json: "" } : { data: value, json };
}

/** @throws ChannelError if it is the answer to something else */
export function toPublished(answer: ReceivedAnswer, channel: string): Published {
  if (answer.type !== "published") throw unexpected(answer, channel);
  return { epoch: answer.epoch, offset: answer.offset };
}

export function unexpected({ type }: ReceivedAnswer, channel: string): ChannelError {
  return new ChannelError("internal", channel, `the server answered with ${type}`);
}

/** @param cause what was said of another attempt, if anything */
export function unknownOutcome(channel: string, cause?: ChannelError): ChannelError {
  const message = "it was sent, and whether the server has it is unknown";
  return new ChannelError("unknown_outcome", channel, message, { cause });
}
