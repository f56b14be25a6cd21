import type { Data, JsonObject } from "@zocalo/protocol";
import { checkCount, checkNames, type Names } from "@zocalo/net/transport";
import { fromEngine, type HubContext } from "./context.ts";

/** Which part of a log `Hub.history` reads. */
export interface HubHistoryOptions {
  /** Publications with offsets above it. Default 0. */
  readonly after?: number;
  /** At most so many, 1 to 1,000. Default 100. */
  readonly limit?: number;
}

/** A part of a log, with the state that it was read in. */
export interface HubHistory {
  readonly epoch: string;
  /** The newest offset; 0 when nothing was ever published. */
  readonly head: number;
  /** The oldest offset still kept; `head + 1` when none is. */
  readonly oldest: number;
  /** Ascending, without holes. */
  readonly publications: readonly HubPublication[];
}

/** A publication, as the server's program reads it. */
export interface HubPublication {
  readonly offset: number;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly user: string;
  readonly info: JsonObject | undefined;
  /** What `JSON.parse` makes of what was published, or bytes, which are the caller's own. */
  readonly data: Data;
}

const optionNames: Names<HubHistoryOptions> = { after: 1, limit: 1 };
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** See `Hub.history`. */
export async function readLog(
  context: HubContext,
  channel: string,
  options: HubHistoryOptions,
): Promise<HubHistory> {
  checkNames("set", "history", options, optionNames);
  const { after = 0, limit = DEFAULT_LIMIT } = options;
  checkCount("set", "after", after, Number.MAX_SAFE_INTEGER - 1, 0);
  checkCount("set", "limit", limit, MAX_LIMIT);
  context.namespaces.of(channel); // throws for a channel of no namespace
  const page = await fromEngine(context, context.engine.read(channel, after, limit));
  const publications = page.publications.map(({ offset, at, user, info, data }): HubPublication => {
    return {
      offset,
      at,
      user,
      info: info === undefined ? undefined : (JSON.parse(info) as JsonObject),
      data: typeof data === "string" ? (JSON.parse(data) as Data) : data.slice(),
    };
  });
  const { epoch, head, oldest } = page;
  return { epoch, head, oldest, publications };
}
