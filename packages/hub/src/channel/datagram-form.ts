import { type SharedMessage, TextMessage } from "./shared-message.ts";

const START = '{"type":"publication",';

const made = new WeakMap<SharedMessage, SharedMessage>();

/**
 * A publication as it is sent in datagrams: with its epoch, since the `gap` that told of a new log may have
 * been lost. Made once for all.
 */
export function withEpoch(publication: SharedMessage, epoch: string): SharedMessage {
  let message = made.get(publication);
  if (message === undefined) {
    const rest = (publication.text.message as string).slice(START.length);
    message = new TextMessage(`${START}"epoch":${JSON.stringify(epoch)},${rest}`);
    made.set(publication, message);
  }
  return message;
}
