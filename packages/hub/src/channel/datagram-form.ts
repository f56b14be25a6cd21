import { PreparedMessage } from "@zocalo/net";

const START = '{"type":"publication",';

const made = new WeakMap<PreparedMessage, PreparedMessage>();

/**
 * A publication as it is sent in datagrams: with its epoch, since the `gap` that told of a new log may have
 * been lost. Made once for all.
 */
export function withEpoch(publication: PreparedMessage, epoch: string): PreparedMessage {
  let message = made.get(publication);
  if (message === undefined) {
    const rest = (publication.message as string).slice(START.length);
    message = new PreparedMessage(`${START}"epoch":${JSON.stringify(epoch)},${rest}`);
    made.set(publication, message);
  }
  return message;
}
