import { ChannelError, type Channel, connect, type Session, type SessionState } from "@zocalo/client";
import {
  type ChannelEvents,
  type Dial,
  Interrupted,
  type Link,
  type LinkState,
  type OpenOptions,
  type Place,
} from "./link.ts";
import { nameOf } from "./what-was-said.ts";

/** Where the server takes sessions: the same host as the page. */
const URL_OF_SESSIONS = "/ws";

/** The page's link, made of the SDK's session. Nothing else on the page knows the SDK. */
export const dial: Dial = ({ token, name }, onState) => {
  const session = connect(URL_OF_SESSIONS, { token, info: { name } });
  onState(linkState(session.state));
  session.onState((state) => onState(linkState(state)));
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
      return { phase: "closed", reason: state.cause?.message ?? "the session is over" };
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
          presence: (users) => onPeople(users.map(({ user, info }) => ({ user, name: nameOf(user, info) }))),
        },
      );
      return () => seen.close();
    },
    async publish(name, data, key) {
      try {
        return await session.channel(name).publish({ ...data }, { key });
      } catch (error) {
        throw said(error);
      }
    },
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
        if (!isClosed(error)) events.refused(reason(error));
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
      events.refused(reason(error));
      return undefined;
    }
  }
}

function said(error: unknown): Error {
  return isClosed(error) ? new Interrupted() : new Error(reason(error), { cause: error });
}

function isClosed(error: unknown): boolean {
  return error instanceof ChannelError && error.code === "closed";
}

/** The reason without the channel's name before it: the room it is shown in says that already. */
function reason(error: unknown): string {
  if (error instanceof ChannelError) return error.message.slice(`${error.channel}: `.length);
  return error instanceof Error ? error.message : String(error);
}
