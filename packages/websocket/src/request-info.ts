import type { Peer } from "@zocalo/net";

/** The HTTP request a connection began as. Headers are put together when they are asked for: most connections never do. */
export class RequestInfo implements NonNullable<Peer["request"]> {
  /** The request target: path and query. */
  readonly url: string;
  readonly #rawHeaders: readonly string[];
  #headers: Record<string, string | string[] | undefined> | undefined;

  /** @param rawHeaders names and values in turn, as they came. */
  constructor(url: string, rawHeaders: readonly string[]) {
    this.url = url;
    this.#rawHeaders = rawHeaders;
  }

  /** By lower-case name; what came several times is an array. */
  get headers(): Readonly<Record<string, string | string[] | undefined>> {
    if (this.#headers === undefined) {
      const headers: Record<string, string | string[] | undefined> = Object.create(null);
      for (let at = 0; at + 1 < this.#rawHeaders.length; at += 2) {
        const name = (this.#rawHeaders[at] as string).toLowerCase();
        const value = this.#rawHeaders[at + 1] as string;
        const known = headers[name];
        if (known === undefined) headers[name] = value;
        else if (Array.isArray(known)) known.push(value);
        else headers[name] = [known, value];
      }
      this.#headers = headers;
    }
    return this.#headers;
  }
}
