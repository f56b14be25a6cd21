import { ProtocolError, type ReadHistory, type StoredPublication } from "@zocalo/protocol";
import type { Caller } from "./caller.ts";
import { maxAnswerBytes, mayRead } from "./commands.ts";
import { type EncodedHistory, fromEngine, type HubContext } from "./context.ts";
import { costOfPublications } from "../channel/costs.ts";
import { encodeHistory, historyBody, measuredEntry } from "../channel/encode.ts";
import type { LogState } from "../engine/engine.ts";

/** Publications in a page when the command does not say. */
const DEFAULT_LIMIT = 50;

/** Reads a page of the log: the newest that are asked for and fit in one answer. */
export async function history(session: Caller, command: ReadHistory): Promise<void> {
  const { id, channel, before = Number.MAX_SAFE_INTEGER, limit = DEFAULT_LIMIT } = command;
  const { context } = session;
  const { pageSize } = await mayRead(session, channel);
  const forOne = maxAnswerBytes(session);
  const most = Math.min(context.limits.historyBytes, forOne);
  const limits = { most, forOne, pageSize };
  const make = (): Promise<EncodedHistory> => readPage(context, channel, before, limit, limits);
  const page = await context.reads.run(session.whose, async () => {
    if (session.hasEnded) return undefined; // nobody waits for it any more
    // Of one that nobody has open nothing is known here.
    const open = context.channels.get(channel);
    const key = `${channel} ${before} ${limit} ${most} ${forOne}`;
    return open?.epoch ? context.pages.get(key, `${open.epoch} ${open.newest}`, make) : make();
  });
  if (!page) return;
  session.charge(costOfPublications(page.read));
  session.answer(encodeHistory(session.answerTo(command), page.body), id);
}

/** What a page may take. */
interface HistoryLimits {
  /** Bytes of the answer. */
  readonly most: number;
  /** The same where it has the newest publication only, which comes even if it fills more than a page. */
  readonly forOne: number;
  /** Publications read from the engine at once. */
  readonly pageSize: number;
}

async function readPage(
  context: HubContext,
  channel: string,
  before: number,
  limit: number,
  limits: HistoryLimits,
): Promise<EncodedHistory> {
  const { pageSize } = limits;
  let state: LogState = await fromEngine(
    context,
    context.engine.read(channel, Number.MAX_SAFE_INTEGER - 1, 1),
  );
  // The oldest may be as long as what follows the head: it may be raised below.
  const around = ({ epoch, head }: LogState): number => {
    const empty = historyBody(channel, { epoch, head, oldest: head + 1 }, []);
    return encodeHistory({ id: Number.MAX_SAFE_INTEGER }, empty).length;
  };
  let room = limits.most - around(state);
  let read = 0;
  const entries: string[] = []; // newest first
  let end = Math.min(before, state.head + 1);
  while (entries.length < limit && end > state.oldest) {
    const from = Math.max(end - Math.min(pageSize, limit - entries.length), state.oldest);
    const page = await fromEngine(context, context.engine.read(channel, from - 1, end - from));
    read += page.publications.length;
    // Others publish meanwhile, and what was kept may be gone, even all of the log it was in.
    if (page.epoch !== state.epoch || (page.oldest >= end && entries.length === 0)) {
      entries.length = 0;
      state = page;
      room = limits.most - around(state);
      end = Math.min(before, page.head + 1);
      // If this is all that is kept it is the answer; else what is newer has to be read.
      if (page.publications.at(-1)?.offset !== end - 1) continue;
    } else state = { ...state, oldest: Math.min(page.oldest, end) };
    const wanted = page.publications.filter(({ offset }) => offset < end);
    const added = newestThatFit(wanted, room, limits.forOne - around(state), entries);
    if (added.isFull && entries.length === 0) {
      const newest = wanted.at(-1)?.offset;
      throw new ProtocolError(
        "too_large",
        `publication ${newest} does not fit in an answer of ${limits.forOne} bytes`,
      );
    }
    room = added.room;
    if (added.isFull || wanted.length < end - from) break;
    end = from;
  }
  return { read, body: historyBody(channel, state, entries.toReversed()) };
}

function newestThatFit(
  publications: readonly StoredPublication[],
  room: number,
  forOne: number,
  entries: string[],
): { room: number; isFull: boolean } {
  let left = room;
  for (const publication of publications.toReversed()) {
    const { text, bytes } = measuredEntry(publication);
    left -= bytes + 1;
    const isTaken = left >= 0 || (entries.length === 0 && bytes <= forOne);
    if (!isTaken) return { room: left, isFull: true };
    entries.push(text);
  }
  return { room: left, isFull: false };
}
