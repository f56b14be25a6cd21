import assert from "node:assert/strict";
import type { Gap, Position, Publication, ServerMessage, Subscribe, Subscribed } from "@zocalo/protocol";

/** The truth: a publication's data as JSON text, `undefined` if there is none. */
export type Truth = (channel: string, epoch: string, offset: number) => string | undefined;

/** A gap that was told of. */
export interface ToldGap extends Gap {
  readonly channel: string;
  readonly epoch: string;
}

interface Flow {
  epoch: string;
  /** The next offset that may come. */
  next: number;
}

/**
 * Follows one connection as a strict client: knows at each message which may come next, and throws for any
 * other. What it has processed of each channel outlives the connection, as a client's memory does.
 */
export class FlowChecker {
  readonly #truth: Truth;
  /** What was processed last, by channel. */
  readonly positions = new Map<string, Position>();
  readonly #flows = new Map<string, Flow>();
  /** Gaps told of, for the test to see whether they are true, and to clear. */
  readonly gaps: ToldGap[] = [];
  readonly #asked = new Map<number, Subscribe>();
  received = 0;
  recovered = 0;
  resets = 0;

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  /** Channels that flow. */
  get flowing(): ReadonlyMap<string, Readonly<Flow>> {
    return this.#flows;
  }

  /** A new connection: nothing flows in it yet. */
  reconnected(): void {
    this.#flows.clear();
    this.#asked.clear();
  }

  asked(command: Subscribe & { readonly id: number }): void {
    this.#asked.set(command.id, command);
  }

  take(message: ServerMessage): void {
    switch (message.type) {
      case "subscribed":
        return this.#subscribed(message);
      case "unsubscribed":
        this.#flows.delete(message.channel);
        return;
      case "publication":
        return this.#publication(message.channel, message);
      case "gap": {
        const flow = this.#flow(message.channel);
        if (message.reset === true) {
          assert.notEqual(message.epoch, flow.epoch, "a reset to the same epoch");
          assert.equal(message.from, 1, "a new log is told from its start");
          flow.epoch = message.epoch;
          this.resets++;
        } else {
          assert.equal(message.epoch, flow.epoch, "a gap in another epoch");
          assert.equal(message.from, flow.next, "a gap that does not follow");
          assert.ok(message.to >= message.from, "an empty gap");
        }
        this.gaps.push({ channel: message.channel, epoch: flow.epoch, from: message.from, to: message.to });
        return this.#moveTo(message.channel, flow, message.to);
      }
      default:
    }
  }

  #subscribed(message: Subscribed): void {
    const { channel, epoch, offset, head, recovered, reset, gap } = message;
    assert.ok(!this.#flows.has(channel), "subscribed twice");
    const since = message.id === undefined ? undefined : this.#asked.get(message.id)?.since;
    assert.ok(head >= offset, `head ${head} below offset ${offset}`);
    if (!since) assert.ok(!recovered && !reset && !gap, "told of a past that was not asked for");
    else if (reset) {
      assert.ok(!recovered);
      assert.ok(since.epoch !== epoch || since.offset > head, "a reset without a reason");
      assert.equal(offset, gap ? gap.to : 0);
      if (gap) assert.equal(gap.from, 1);
      this.resets++;
    } else {
      assert.equal(epoch, since.epoch, "another log without a reset");
      assert.equal(recovered, !gap, "recovered says the contrary of the gap");
      if (gap) assert.equal(gap.from, since.offset + 1, "a gap that does not follow");
      assert.equal(offset, gap ? gap.to : since.offset, "the flow does not begin where it should");
      if (recovered) this.recovered++;
    }
    if (gap) this.gaps.push({ channel, epoch, ...gap });
    const flow = { epoch, next: 0 };
    this.#flows.set(channel, flow);
    this.#moveTo(channel, flow, offset);
  }

  #publication(channel: string, { offset, data }: Publication): void {
    const flow = this.#flow(channel);
    assert.equal(offset, flow.next, `${channel}: publication ${offset} where ${flow.next} was due`);
    assert.equal(JSON.stringify(data), this.#truth(channel, flow.epoch, offset), "not what was published");
    this.received++;
    this.#moveTo(channel, flow, offset);
  }

  #flow(channel: string): Flow {
    const flow = this.#flows.get(channel);
    assert.ok(flow, `${channel} is not subscribed, and sends`);
    return flow;
  }

  #moveTo(channel: string, flow: Flow, offset: number): void {
    flow.next = offset + 1;
    this.positions.set(channel, { epoch: flow.epoch, offset });
  }
}
