import type {
  Command,
  Json,
  PresenceChanges,
  PresencePage,
  ServerMessage,
  Subscribed,
} from "@zocalo/protocol";
import { check, type Facts } from "./facts.ts";

interface Flow {
  epoch: string;
  /** The offset that is due. */
  next: number;
}

/** Who is in a channel, as far as this connection was told. */
interface Present {
  version: number;
  /** Unset where not all of them are known. */
  users: Set<string> | undefined;
}

/** One connection, as `docs/protocol.md` has it: knows at each message which may come next. */
export class WireChecker {
  readonly #facts: Facts;
  readonly #commands = new Map<number, { readonly command: Command; readonly text: string }>();
  readonly #flows = new Map<string, Flow>();
  readonly #present = new Map<string, Present>();
  #answersPings = false;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  command(text: string): void {
    const command = JSON.parse(text) as Command;
    if (command.id !== undefined) this.#commands.set(command.id, { command, text });
    if (command.type === "connect") this.#answersPings = command.answersPings === true;
  }

  message(text: string, at: number): void {
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case "published": {
        const asked = this.#asked(message.id);
        if (asked?.command.type !== "publish") return check(false, () => `answer: ${text} to ${asked?.text}`);
        const { channel, data } = asked.command;
        const sent = this.#facts.texts.of(data as Json, asked.text);
        return this.#facts.stands(channel, message.epoch, message.offset, sent);
      }
      case "subscribed":
        return this.#subscribed(message, at);
      case "unsubscribed":
        this.#flows.delete(message.channel);
        this.#present.delete(message.channel);
        return;
      case "presence":
        return this.#page(message);
      case "changes":
        return this.#changes(message);
      case "join":
      case "leave":
        return check(false, () => `presence: ${text} was not to come singly`);
      case "ping":
        return check(this.#answersPings, () => "ping: who does not answer was asked");
      case "publication": {
        const { channel, offset, data } = message;
        const flow = this.#flow(channel);
        check(offset === flow.next, () => `order: ${channel} ${offset} came where ${flow.next} was due`);
        flow.next = offset + 1;
        return this.#facts.stands(channel, flow.epoch, offset, this.#facts.texts.of(data as Json, text));
      }
      case "gap": {
        const { channel, epoch, from, to, reset } = message;
        const flow = this.#flow(channel);
        if (reset === true) {
          this.#facts.reset(channel, at);
          check(epoch !== flow.epoch, () => `gap: ${channel} is reset to the epoch it had`);
          check(from === 1, () => `gap: ${channel} is another log from ${from} on`);
        } else {
          check(epoch === flow.epoch, () => `gap: ${channel} has one in another epoch`);
          check(
            from === flow.next && to >= from,
            () => `gap: ${channel} ${from} to ${to} where ${flow.next} was due`,
          );
        }
        flow.epoch = epoch;
        flow.next = to + 1;
        this.#facts.epoch(channel, epoch);
        return;
      }
      default:
    }
  }

  #subscribed(message: Subscribed, at: number): void {
    const { channel, epoch, offset, head, recovered, reset, gap } = message;
    check(!this.#flows.has(channel), () => `order: subscribed to ${channel} twice`);
    this.#facts.epoch(channel, epoch);
    const command = this.#asked(message.id)?.command;
    const since = command?.type === "subscribe" ? command.since : undefined;
    const told = (): string => `${JSON.stringify(message)} since ${JSON.stringify(since)}`;
    check(head >= offset, () => `start: the head is below the offset: ${told()}`);
    if (since === undefined) {
      check(!recovered && !reset && !gap, () => `start: of what was not asked for: ${told()}`);
    } else if (reset === true) {
      this.#facts.reset(channel, at);
      check(!recovered && offset === (gap?.to ?? 0), () => `start: ${told()}`);
    } else {
      check(epoch === since.epoch, () => `start: another log without a reset: ${told()}`);
      check(recovered === (gap === undefined), () => `start: recovered with a gap, or neither: ${told()}`);
      check(offset === (gap?.to ?? since.offset), () => `start: elsewhere than asked for: ${told()}`);
      check(gap === undefined || gap.from === since.offset + 1, () => `gap: not where it begins: ${told()}`);
    }
    this.#flows.set(channel, { epoch, next: offset + 1 });
    if (message.presence === undefined) return;
    this.#page(message.presence);
    const { version, users, next } = message.presence;
    const all = next === undefined ? new Set(users.map(({ user }) => user)) : undefined;
    this.#present.set(channel, { version, users: all });
  }

  #page({ total, users, next }: PresencePage): void {
    check(total >= users.length, () => `presence: ${users.length} of ${total} users`);
    check(next === undefined || users.length > 0, () => "presence: a page of nobody before another");
  }

  /** Each change once, in the order of the versions; where one is missing, the version says so. */
  #changes({ channel, version, total, changes }: PresenceChanges): void {
    const present = this.#present.get(channel);
    if (present === undefined) return check(false, () => `presence: nobody asked who is in ${channel}`);
    const known = present.version;
    check(version > known, () => `presence: version ${version} of ${channel} came after ${known}`);
    present.version = version;
    const first = version - changes.length + 1;
    if (first > known + 1) present.users = undefined;
    const { users } = present;
    if (users === undefined) return;
    for (const { type, user } of changes.slice(known + 1 - first)) {
      check(users.has(user) === (type === "leave"), () => `presence: ${type} of ${user} in ${channel}`);
      if (type === "join") users.add(user);
      else users.delete(user);
    }
    check(users.size === total, () => `presence: ${users.size} users in ${channel}, and a total of ${total}`);
  }

  #asked(id: number | undefined): { readonly command: Command; readonly text: string } | undefined {
    return id === undefined ? undefined : this.#commands.get(id);
  }

  #flow(channel: string): Flow {
    const flow = this.#flows.get(channel);
    check(flow !== undefined, () => `order: ${channel} is not subscribed, and flows`);
    return flow as Flow;
  }
}
