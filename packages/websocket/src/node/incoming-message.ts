import { IncomingMessage, type Server } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Reaches into Node: an `IncomingMessage` of a request that Node's parser has not seen, for the application's
 * functions, which are promised one. How headers that came twice are told is Node's own doing here, too: its
 * parser fills a message by `_addHeaderLines`.
 *
 * Where that is not there, or does something else, the caller has to let `node:http` read the request.
 */

/** What is known of the request. */
interface RequestHead {
  readonly url?: string | undefined;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

type AddHeaderLines = (this: IncomingMessage, lines: readonly string[], count: number) => void;

const addHeaderLines: unknown = Reflect.get(IncomingMessage.prototype, "_addHeaderLines");

/** True if `incomingMessage` can make one. Exported for tests. */
export function addsHeaderLines(add: unknown): add is AddHeaderLines {
  if (typeof add !== "function") return false;
  const sample = ["Host", "a", "X-Two", "1", "x-two", "2"];
  try {
    const message = new IncomingMessage(new Socket());
    Reflect.apply(add, message, [sample, sample.length]);
    const { headers, rawHeaders } = message;
    const isThere = headers.host === "a" && headers["x-two"] === "1, 2" && Object.keys(headers).length === 2;
    return isThere && rawHeaders.join() === sample.join();
  } catch {
    return false;
  }
}

/** Tried when the first is wanted. */
let isPossible: boolean | undefined =
  process.env["ZOCALO_NO_INCOMING_MESSAGE"] === undefined ? undefined : false;

/**
 * For tests: `false` is a Node where it cannot be done. The environment variable `ZOCALO_NO_INCOMING_MESSAGE`
 * makes it one, for measurements.
 */
export function setIncomingMessage(isOn: boolean): void {
  isPossible = isOn && addsHeaderLines(addHeaderLines);
}

/**
 * What the `upgrade` event of `server` would bring for a GET of HTTP/1.1 that came over `socket`; `undefined`
 * if it cannot be made here.
 */
export function incomingMessage(
  { url = "", rawHeaders }: RequestHead,
  socket: Duplex,
  server: Server,
): IncomingMessage | undefined {
  isPossible ??= addsHeaderLines(addHeaderLines);
  if (!isPossible) return undefined;
  Reflect.set(socket, "server", server);
  const message = new IncomingMessage(socket as Socket); // Node's parser gives it whatever stream came, too.
  message.httpVersionMajor = 1;
  message.httpVersionMinor = 1;
  message.httpVersion = "1.1";
  message.url = url;
  message.method = "GET";
  Reflect.set(message, "upgrade", true);
  (addHeaderLines as AddHeaderLines).call(message, rawHeaders, rawHeaders.length);
  message.complete = true;
  message.push(null);
  return message;
}
