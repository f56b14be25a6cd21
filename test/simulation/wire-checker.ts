import type { Command, ServerMessage, Subscribed } from "@zocalo/protocol";
import { check, type Facts } from "./facts.ts";

interface Flow {
  epoch: string;
  /** The offset that is due. */
  next: number;
}

/** One connection, as `docs/protocol.md` has it: knows at each message which may come next. */
export class WireChecker {
  readonly #facts: Facts;
  readonly #commands = new Map<number, { readonly command: Command; readonly text: string }>();
  readonly #flows = new Map<string, Flow>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  command(text: string): void {
    const command = JSON.parse(text) as Command;
    if (command.id !== undefined) this.#commands.set(command.id, { command, text });
  }

  message(text: string, at: number): void {
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case "published": {
        const asked = this.#asked(message.id);
        if (asked?.command.type !== "publish") return check(false, () => `answer: ${text} to ${asked?.text}`);
        const { channel, data } = asked.command;
        const sent = this.#facts.texts.of(data, asked.text);
        return this.#facts.stands(channel, message.epoch, message.offset, sent);
      }
      case "subscribed":
        return this.#subscribed(message, at);
      case "unsubscribed":
        this.#flows.delete(message.channel);
        return;
      case "publication": {
        const { channel, offset, data } = message;
        const flow = this.#flow(channel);
        check(offset === flow.next, () => `order: ${channel} ${offset} came where ${flow.next} was due`);
        flow.next = offset + 1;
        return this.#facts.stands(channel, flow.epoch, offset, this.#facts.texts.of(data, text));
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
