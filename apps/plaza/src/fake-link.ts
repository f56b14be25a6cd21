// For tests: a link to a square that is in memory, and whose every step the test decides.
import {
  type ChannelEvents,
  type Dial,
  Interrupted,
  type Link,
  type LinkEvents,
  type LinkState,
  type OpenOptions,
  type Page,
  type Person,
  type Publication,
} from "./link.ts";

interface Publish {
  readonly channel: string;
  readonly data: object;
  readonly key: string;
  /** The server commits it. */
  commit(offset: number, epoch?: string): void;
  refuse(error: Error): void;
}

/** One link that the page has made. */
export class FakeLink implements Link {
  readonly identity: { readonly token: string; readonly name: string };
  readonly opened = new Map<string, { readonly options: OpenOptions; readonly events: ChannelEvents }>();
  /** Where the page is seen, and whom it tells who else is. */
  readonly entered = new Map<string, (people: readonly Person[], total: number) => void>();
  readonly publishes: Publish[] = [];
  readonly reads: { readonly channel: string; readonly options: { before?: number; limit: number } }[] = [];
  /** What `history` answers. */
  page: Page = { epoch: "e", head: 0, oldest: 1, publications: [] };
  /** The browser keeps what is published. */
  isKeeping = false;
  triedNow = 0;
  isClosed = false;
  readonly told: LinkEvents;

  constructor(identity: FakeLink["identity"], told: LinkEvents) {
    this.identity = identity;
    this.told = told;
  }

  become(state: LinkState): void {
    this.told.state(state);
  }

  open(channel: string, options: OpenOptions, events: ChannelEvents): void {
    this.opened.set(channel, { options, events });
  }

  enter(channel: string, onPeople: (people: readonly Person[], total: number) => void): () => void {
    this.entered.set(channel, onPeople);
    return () => void this.entered.delete(channel);
  }

  publish(
    channel: string,
    data: object,
    key: string,
    kept?: () => void,
  ): Promise<{ epoch: string; offset: number }> {
    if (this.isKeeping) kept?.();
    return new Promise((resolve, reject) => {
      const commit = (offset: number, epoch = "e") => resolve({ epoch, offset });
      this.publishes.push({ channel, data, key, commit, refuse: reject });
    });
  }

  history(channel: string, options: { before?: number; limit: number }): Promise<Page> {
    this.reads.push({ channel, options });
    return Promise.resolve(this.page);
  }

  tryNow(): void {
    this.triedNow += 1;
  }

  close(): void {
    this.isClosed = true;
    for (const publish of this.publishes) publish.refuse(new Interrupted());
  }

  /** The events of a channel that the page has opened. */
  events(channel: string): ChannelEvents {
    const opened = this.opened.get(channel);
    if (opened === undefined) throw new Error(`${channel} was not opened`);
    return opened.events;
  }

  /** The page is connected, and every channel begins empty in the log `epoch`. */
  connect(user = "me", epoch = "e"): void {
    this.become({ phase: "connected", user });
    for (const { events } of this.opened.values()) events.began({ epoch, head: 0, oldest: 1 });
  }
}

/** Makes fake links and keeps them. */
export function fakeDial(): { readonly dial: Dial; readonly links: FakeLink[] } {
  const links: FakeLink[] = [];
  const dial: Dial = (identity, events) => {
    const link = new FakeLink(identity, events);
    links.push(link);
    return link;
  };
  return { dial, links };
}

/** A message of somebody else. */
export function message(offset: number, text = `message ${offset}`, user = "omar"): Publication {
  return {
    offset,
    at: offset * 1_000,
    user,
    info: { name: user },
    data: { text },
    json: JSON.stringify({ text }),
  };
}
