import { setImmediate as turn } from "node:timers/promises";
import {
  CALLER_POISON,
  type CaseBase,
  type CaseContext,
  type Decks,
  MessageLedger,
  must,
  nap,
  payloadOf,
  type Planned,
  planMessages,
  Random,
  type Scenario,
  stamp,
} from "@zocalo/integrity";
import { PreparedMessage } from "@zocalo/net";
import { Group, type WebSocketConn } from "../../src/index.ts";
import { FarPeer } from "./far-peer.ts";
import { COMPRESSIONS, type CompressionKind, type Door, DOORS, FLOOD_BYTES, type Links } from "./links.ts";
import { partsOf } from "./messages.ts";

/** `stalled`: reads nothing before all others have had all of theirs. `resets`: is gone in the middle. */
const FARS = ["fast", "slow", "stalled", "resets"] as const;
const MEMORIES = ["fresh", "one buffer", "prepared"] as const;
/** `drained`: what goes to all waits until whoever reads has room again. */
const PACES = ["drained", "turns", "burst"] as const;
const SINGLES = ["none", "send", "trySend", "sendStream"] as const;
const STAYS = ["always", "always", "joins late", "leaves early"] as const;

/** So short a message cannot be told from others. */
const LEAST_BYTES = 12;

interface MemberCase {
  readonly door: Door;
  readonly compression: CompressionKind;
  readonly far: (typeof FARS)[number];
  readonly stays: (typeof STAYS)[number];
}

/** Messages to a group, while single messages go to its members. */
interface GroupCase extends CaseBase {
  readonly members: readonly MemberCase[];
  readonly bytes: number;
  readonly mostBytes: number;
  readonly memory: (typeof MEMORIES)[number];
  readonly pace: (typeof PACES)[number];
  readonly singles: (typeof SINGLES)[number];
  /** What becomes of a member that did not take a message. */
  readonly tooSlow: "misses it" | "is closed";
}

/** Every member gets the messages that the call says it took, in order and whole, whatever the others do. */
export function groupScenario(links: Links): Scenario<GroupCase> {
  return {
    name: "group",
    weight: 4,
    draw: drawGroup,
    run: (drawn, context) => runGroup(links, drawn, context),
    *simpler(drawn) {
      const { members } = drawn;
      for (const left of members) {
        if (members.length > 1) yield { ...drawn, members: members.filter((member) => member !== left) };
      }
      if (drawn.singles !== "none") yield { ...drawn, singles: "none" };
      if (drawn.tooSlow !== "misses it") yield { ...drawn, tooSlow: "misses it" };
      if (drawn.memory !== "fresh") yield { ...drawn, memory: "fresh" };
      if (drawn.pace !== "drained") yield { ...drawn, pace: "drained" };
      for (const [at, member] of members.entries()) {
        for (const simpler of simplerMembers(member)) {
          yield { ...drawn, members: members.map((other, i) => (i === at ? simpler : other)) };
        }
      }
      if (drawn.bytes > 1) yield { ...drawn, bytes: Math.floor(drawn.bytes / 4) };
    },
  };
}

function* simplerMembers(member: MemberCase): Generator<MemberCase> {
  if (member.door !== "listen") yield { ...member, door: "listen" };
  if (member.compression !== "none") yield { ...member, compression: "none" };
  if (member.far !== "fast") yield { ...member, far: "fast" };
  if (member.stays !== "always") yield { ...member, stays: "always" };
}

function drawGroup(decks: Decks): GroupCase {
  const { random } = decks;
  const isFlood = decks.deal("group flood", [true, false, false, false, false]);
  const size = random.chance(0.4) ? random.int(100, 20_000) : random.int(100_000, 1_500_000);
  return {
    scenario: "group",
    seed: random.fork(),
    members: Array.from({ length: isFlood ? 3 : random.int(2, 7) }, () => ({
      door: decks.deal("member door", DOORS),
      compression: isFlood ? "none" : decks.deal("member compression", ["none", ...COMPRESSIONS] as const),
      far: decks.deal("member far", FARS),
      stays: decks.deal("member stays", STAYS),
    })),
    bytes: isFlood ? FLOOD_BYTES : size,
    mostBytes: isFlood ? 300_000 : decks.deal("group most", [100, 700, 20_000, 300_000]),
    memory: decks.deal("group memory", MEMORIES),
    pace: decks.deal("group pace", PACES),
    singles: decks.deal("group singles", SINGLES),
    tooSlow: decks.deal("too slow", ["misses it", "is closed"]),
  };
}

async function runGroup(links: Links, drawn: GroupCase, context: CaseContext): Promise<void> {
  const random = new Random(context.random.fork());
  const stream = context.stream();
  const planned = planOf(drawn, drawn.bytes, random);
  let resume: () => void = () => undefined;
  const mayRead = new Promise<void>((resolve) => (resume = resolve));
  const members = await Promise.all(
    drawn.members.map((member) => join(links, member, { drawn, context, stream, mayRead })),
  );
  const refused = new Set<WebSocketConn>();
  let current: unknown;
  const group = new Group({
    onMissed(conn, message) {
      must(message === current, () => "onMissed was told of another message than the one that was refused");
      must(!refused.has(conn), () => "onMissed was told twice of one message and one member");
      refused.add(conn);
      if (drawn.tooSlow === "is closed") members.find((member) => member.conn === conn)?.closeSlow();
    },
  });
  for (const { conn, member } of members) if (member.stays !== "joins late") group.add(conn);
  const singles = members.map((member) => member.sendSingles(drawn.singles));
  for (const sending of singles) sending.catch((error: unknown) => context.fail(error));

  const shared = Buffer.allocUnsafeSlow(drawn.mostBytes);
  for (const [index, each] of planned.entries()) {
    if (index === planned.length >> 1) {
      for (const { conn, member } of members) {
        if (member.stays === "joins late") group.add(conn);
        if (member.stays === "leaves early") group.delete(conn);
      }
    }
    const except = random.chance(0.1) ? random.pick(members) : undefined;
    const addressed = members.filter((member) => group.has(member.conn) && member !== except);
    const roomy = addressed.filter((member) => member.mustHaveRoom(drawn));
    const booked = addressed.map(({ ledger }) => ledger.book({ ...each, stream }));
    let payload = payloadOf(stream, each);
    if (drawn.memory === "one buffer" && typeof payload !== "string") {
      payload = shared.subarray(0, each.length);
      stamp(payload, stream, each.start);
    }
    current = payload;
    refused.clear();
    const outcome = group.broadcast(
      drawn.memory === "prepared" ? new PreparedMessage(payload) : payload,
      except?.conn,
    );
    for (const [at, { conn, ledger }] of addressed.entries()) {
      const place = booked[at];
      if (place !== undefined) ledger.outcomes[place] = refused.has(conn) ? "refused" : "accepted";
    }
    if (drawn.memory !== "prepared" && typeof payload !== "string") payload.fill(CALLER_POISON);
    must(
      outcome.refused === refused.size &&
        outcome.sent + outcome.buffered + outcome.refused === addressed.length,
      () =>
        `of ${addressed.length} members broadcast says ${JSON.stringify(outcome)}, and ${refused.size} were refused`,
    );
    const harmed = roomy.find(({ conn }) => refused.has(conn));
    must(
      harmed === undefined,
      () =>
        `message ${index} was refused for a member of ${harmed?.member.door} for which nothing had to wait; the others: ${JSON.stringify(drawn.members)}`,
    );
    await pause(drawn, members, random);
  }

  const steady = members.filter(({ member }) => member.far !== "stalled");
  const stalled = members.filter(({ member }) => member.far === "stalled");
  await Promise.all(steady.map((member) => member.finish()));
  resume();
  await Promise.all(stalled.map((member) => member.finish()));
  await Promise.all(singles);
}

function planOf({ mostBytes }: GroupCase, bytes: number, random: Random): Planned[] {
  const planned = planMessages(random, { bytes, mostBytes, leastBytes: LEAST_BYTES, texts: "some" });
  return planned.filter(({ length }) => length >= LEAST_BYTES);
}

async function pause({ pace }: GroupCase, members: readonly Member[], random: Random): Promise<void> {
  if (pace === "drained") await Promise.all(members.map((member) => member.drained()));
  else if (pace === "turns") await (random.chance(0.1) ? nap(1) : turn());
  else if (random.chance(0.1)) await turn();
}

/** What the members of a case share. */
interface Shared {
  readonly drawn: GroupCase;
  readonly context: CaseContext;
  /** Of what goes to all. */
  readonly stream: number;
  /** Stalled far ends read then. */
  readonly mayRead: Promise<void>;
}

async function join(links: Links, member: MemberCase, shared: Shared): Promise<Member> {
  const link = await links.make(member.door, member.compression, false);
  const { drawn, context } = shared;
  context.onEnd(() => {
    link.conn.abort();
    link.far.destroy();
  });
  const random = new Random(context.random.fork());
  const far = new FarPeer(link, context, random, {
    reading: member.far === "resets" ? "fast" : member.far,
    mayRead: shared.mayRead,
  });
  if (member.far === "resets") void far.end.hasRead(random.int(0, drawn.bytes)).then(() => far.reset());
  return new Member(member, link.conn, far, shared, random);
}

/** A connection of the group, its far end, and the book of what it was given. */
class Member {
  readonly member: MemberCase;
  readonly conn: WebSocketConn;
  readonly ledger: MessageLedger;
  readonly #far: FarPeer;
  readonly #random: Random;
  readonly #drawn: GroupCase;
  /** Of the single messages. */
  readonly #stream: number;
  #singles: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(
    member: MemberCase,
    conn: WebSocketConn,
    far: FarPeer,
    { drawn, context, stream }: Shared,
    random: Random,
  ) {
    this.member = member;
    this.conn = conn;
    this.ledger = new MessageLedger(stream, []);
    this.#far = far;
    this.#random = random;
    this.#drawn = drawn;
    this.#stream = context.stream();
    conn.serve({
      message: () => context.fail(new Error("the far end has sent nothing, and a message came")),
      close: () => undefined,
    });
  }

  /** True if a message cannot be refused: all was taken before, but for one single message. */
  mustHaveRoom({ pace, singles }: GroupCase): boolean {
    const isSteady = this.member.far === "fast" || this.member.far === "slow";
    return isSteady && pace === "drained" && (singles === "none" || singles === "send") && this.conn.isOpen;
  }

  async drained(): Promise<void> {
    if (this.member.far === "stalled") return;
    try {
      await this.conn.flush();
    } catch {
      // It was reset, which `finish` expects.
    }
  }

  closeSlow(): void {
    this.#closing ??= this.conn.close(1013, "too slow");
    this.#closing.catch(() => undefined); // `finish` awaits it
  }

  sendSingles(style: GroupCase["singles"]): Promise<void> {
    this.#singles = this.#sendSingles(style);
    return this.#singles;
  }

  async #sendSingles(style: GroupCase["singles"]): Promise<void> {
    if (style === "none") return;
    const random = this.#random;
    const { outcomes } = this.ledger;
    for (const each of planOf(this.#drawn, random.int(LEAST_BYTES, 200_000), random)) {
      const payload = payloadOf(this.#stream, each);
      const place = this.ledger.book({ ...each, stream: this.#stream });
      if (style === "trySend") {
        outcomes[place] = this.conn.trySend(payload) === "refused" ? "refused" : "accepted";
      } else {
        outcomes[place] = "unknown";
        try {
          await (style === "send" ? this.conn.send(payload) : this.conn.sendStream(partsOf(payload)));
          outcomes[place] = "accepted";
        } catch {
          return; // The connection has ended, which the case judges elsewhere.
        }
      }
      if (typeof payload !== "string") payload.fill(CALLER_POISON);
      await (random.chance(0.2) ? nap(1) : turn());
    }
  }

  /** Closes, and holds what came against the book. */
  async finish(): Promise<void> {
    const far = this.#far;
    if (this.member.far === "resets") {
      far.reset();
      await far.end.ended;
      await this.#singles;
      this.ledger.check(far.messages(), false);
      return;
    }
    const wasClosed = this.#closing !== undefined;
    if (!wasClosed) await this.#singles;
    let isWhole = true;
    try {
      await (this.#closing ?? this.conn.close());
    } catch (error) {
      // Who was closed while it was stalled may have had no time left.
      if (!wasClosed) throw error;
      isWhole = false;
    }
    await far.end.ended;
    await this.#singles;
    must(!isWhole || far.hasGotClose, () => "close resolved, but the far end got no Close frame");
    this.ledger.check(far.messages(), isWhole);
  }
}
