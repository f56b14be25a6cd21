import type { Peer } from "@zocalo/net";

/** Between the parts of a packed request: no header can have it. */
const SEPARATOR = "\n";

/**
 * A request as one string, for the time until somebody asks for it: the strings of an upgrade's headers would
 * be most of what an idle connection keeps.
 *
 * @param rawHeaders names and values in turn, as they came.
 */
export function packRequest(url: string, rawHeaders: readonly string[]): string {
  return [url, ...rawHeaders].join(SEPARATOR); // A template would keep the parts.
}

/** What `packRequest` was given. Headers are by lower-case name; what came several times is an array. */
export function unpackRequest(packed: string): NonNullable<Peer["request"]> {
  const [url = "", ...rawHeaders] = packed.split(SEPARATOR);
  const headers: Record<string, string | string[] | undefined> = Object.create(null);
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    const value = rawHeaders[at + 1] as string;
    const known = headers[name];
    if (known === undefined) headers[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else headers[name] = [known, value];
  }
  return { url, headers };
}
