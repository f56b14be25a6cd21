/** The part of an HTTP request that a handshake looks at; Node's `IncomingMessage` is one. */
export interface HandshakeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/** A token of RFC 9110 §5.6.2: what a header name, a subprotocol or an extension name is made of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The form of a `Host` (RFC 9110 §7.2): a name or an address, without user and path, and perhaps a port. */
const HOST = /^(?:\[[0-9A-Za-z:.%_~-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::\d{0,5})?$/;

/** True if `text` has the form of a `Host`. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

const NONE: readonly string[] = [];

/** True if `text` is a token. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** All values of a header, from names and values in turn, as they came. `name` is in lower case. */
export function valuesOf(rawHeaders: readonly string[], name: string): readonly string[] {
  let values: string[] | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at] as string;
    if (candidate.length === name.length && (candidate === name || candidate.toLowerCase() === name)) {
      const value = rawHeaders[at + 1] as string;
      if (values === undefined) values = [value];
      else values.push(value);
    }
  }
  return values ?? NONE;
}

/**
 * The members of comma-separated lists, without the spaces around them; empty members are left out
 * (RFC 9110 §5.6.1).
 */
export function listMembers(values: readonly string[]): string[] {
  const members: string[] = [];
  for (const value of values) {
    // `split` and `trim` take linear time on whatever the peer sends; a pattern might not.
    for (const part of value.split(",")) {
      const member = part.trim();
      if (member !== "") members.push(member);
    }
  }
  return members;
}

/** True if a comma-separated list has `token`, in any case. */
export function listHas(values: readonly string[], token: string): boolean {
  const [only] = values;
  if (values.length === 1 && only !== undefined && only.length === token.length) {
    return only.toLowerCase() === token; // As nearly all peers send it.
  }
  return listMembers(values).some((member) => member.toLowerCase() === token);
}
