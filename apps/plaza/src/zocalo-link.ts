import {
  browserStore,
  ChannelError,
  type Channel,
  connect,
  type Session,
  SessionError,
  type SessionState,
} from "@zocalo/client";
import {
  type ChannelEvents,
  type Dial,
  type Drafts,
  Interrupted,
  type Link,
  type LinkState,
  type OpenOptions,
  type Place,
} from "./link.ts";
import { nameOf } from "./what-was-said.ts";
import { WORDS } from "./words.ts";

/** Where the server takes sessions: the same host as the page. */
const URL_OF_SESSIONS = "/ws";

/** What is not sent yet survives the page here. */
const store = browserStore("plaza");

export const drafts: Drafts = store.drafts;

/** The page's link, made of the SDK's session. Nothing else on the page knows the SDK. */
export const dial: Dial = ({ token, name }, events) => {
  const session = connect(URL_OF_SESSIONS, {
    token,
    info: { name },
    keep: {
      store,
      left: ({ published, ...message }) => events.left({ ...message, place: published.catch(rethrow) }),
      notKept: () => events.notKept(),
    },
  });
  events.state(linkState(session.state));
  session.onState((state) => events.state(linkState(state)));
  return linkOf(session);
};

/**
 * The close code of a server that is full, or has as many clients of one address as it takes
 * (docs/protocol.md).
 */
const TRY_LATER = 1013;

/** What the page calls the state of its session. */
export function linkState(state: SessionState): LinkState {
  switch (state.name) {
    case "connecting":
      return { phase: "connecting" };
    case "connected":
      return { phase: "connected", user: state.user };
    case "waiting":
      return { phase: "waiting", why: state.cause.closeCode === TRY_LATER ? "full" : "lost" };
    case "closed":
      return { phase: "closed", reason: state.cause === undefined ? WORDS.over : reasonOf(state.cause) };
  }
}

function linkOf(session: Session): Link {
  return {
    open(name, options, events) {
      void follow(session.channel(name), options, events);
    },
    enter(name, onPeople) {
      const seen = session.channel(name).subscribe(
        {},
        {
          publication: () => {},
          gap: () => {},
          presence: (users, total) =>
            onPeople(
              users.map(({ user, info }) => ({ user, name: nameOf(user, info) })),
              total,
            ),
        },
      );
      return () => seen.close();
    },
    publish: (name, data, key, kept) =>
      session
        .channel(name)
        .publish({ ...data }, { key, kept: () => kept?.() })
        .catch(rethrow),
    async history(name, options) {
      return await session.channel(name).history(options);
    },
    tryNow: () => session.reconnectNow(),
    close: () => void session.close(),
  };
}

/** Reads the newest page first, so that the page knows where the log stands, and follows it from there. */
async function follow(channel: Channel, options: OpenOptions, events: ChannelEvents): Promise<void> {
  const since = options.since ?? (await beginning(channel, options.last, events));
  if (since === undefined) return;
  channel.subscribe(
    { since, hidden: true },
    {
      publication: (publication) => events.published([publication]),
      gap: (gap) => {
        if (gap.reset) events.began({ epoch: gap.epoch, head: 0, oldest: 1 });
        else events.gap({ from: gap.from, to: gap.to });
      },
      error: (error) => {
        if (!isClosed(error)) events.refused(reasonOf(error));
      },
    },
  );
}

async function beginning(channel: Channel, limit: number, events: ChannelEvents): Promise<Place | undefined> {
  for (;;) {
    try {
      const { epoch, head, oldest, publications } = await channel.history({ limit });
      events.began({ epoch, head, oldest });
      events.published(publications);
      return { epoch, offset: head };
    } catch (error) {
      if (isClosed(error)) return undefined;
      // The SDK gives a read up after a while, connected or not; a room is worth asking for again.
      if (error instanceof ChannelError && error.code === "timeout") continue;
      events.refused(reasonOf(error));
      return undefined;
    }
  }
}

/** Why a message is not known to be sent, in words for its author. */
function rethrow(error: unknown): never {
  if (isClosed(error)) throw new Interrupted();
  const isUnknown = error instanceof ChannelError && error.code === "unknown_outcome";
  throw new Error(isUnknown ? WORDS.perhapsSent : `${WORDS.notSent} ${reasonOf(error)}`, { cause: error });
}

function isClosed(error: unknown): boolean {
  return error instanceof ChannelError && error.code === "closed";
}

/**
 * Why something was refused, in the words of the page, or else of the server: without the channel's name
 * before it, since the room it is shown in says that already.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof ChannelError || error instanceof SessionError) {
    const words = new Map<string, string>(Object.entries(WORDS.reasons)).get(error.code);
    if (words !== undefined) return words;
  }
  if (error instanceof ChannelError) return error.message.slice(`${error.channel}: `.length);
  return error instanceof Error ? error.message : String(error);
}
