import type { ReceivedAnswer } from "@zocalo/protocol";
import { ChannelError } from "./error.ts";

/** Where a publication stands in its channel's log. */
export interface Published {
  readonly epoch: string;
  readonly offset: number;
}

/** What is to be published, once. */
export interface Unpublished {
  readonly channel: string;
  readonly key: string;
  /** Its data. */
  readonly json: string;
}

/** Its command. Written by hand, so that `json` goes out as it is. */
export function encodePublish({ channel, key, json }: Unpublished): (id: number) => string {
  const rest = `"channel":"${channel}","key":${JSON.stringify(key)},"data":${json}}`;
  return (id) => `{"type":"publish","id":${id},${rest}`;
}

/** @throws ChannelError if it is the answer to something else */
export function toPublished(answer: ReceivedAnswer, channel: string): Published {
  if (answer.type !== "published") throw unexpected(answer, channel);
  return { epoch: answer.epoch, offset: answer.offset };
}

export function unexpected({ type }: ReceivedAnswer, channel: string): ChannelError {
  return new ChannelError("internal", channel, `the server answered with ${type}`);
}
