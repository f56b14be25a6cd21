import { connect } from "@zocalo/client";
import { binaryDial } from "@zocalo/client/binary";
import { BestLane, dialLane, join, type LaneTicket, type OpenLane, overUdp, type Play } from "@zocalo/room";
import { dial } from "@zocalo/websocket";
import { game, MARKS } from "./game.ts";
import { LightLane } from "./light.ts";
import type { Mode, Traffic } from "./wire.ts";

type Kinds = typeof game.definition.kinds;
type Input = typeof game.definition.input;
export type Session = ReturnType<typeof connect>;

/** By what a player's snapshots and inputs go: datagrams, those to another address, or the session. */
export type Way = "udp" | "session" | { readonly udpAt: string };

export function openSession(port: number | string): Session {
  return connect(`ws://127.0.0.1:${port}`, {
    dial: binaryDial((url, options) => dial(url, { ...options, subprotocols: ["zocalo.binary"] })),
  });
}

/** As `overUdp`, to another address than the ticket says: that of a relay. */
function overUdpAt(address: string): OpenLane {
  return (session, { ask, onError, clock }) =>
    new BestLane(session, {
      async better() {
        const ticket = (await ask({ kind: "udp" })) as LaneTicket | null;
        return ticket === null ? undefined : dialLane({ ...ticket, address }, { onError, clock });
      },
      onError,
      clock,
    });
}

/** A real client, which walks about by itself. */
export class Player {
  readonly session: Session;
  readonly play: Play<Kinds, Input, "player">;
  /** What it tells all others from the next input on. */
  mark = 0;
  readonly #random: () => number;
  #angle = 0;
  #ticksLeft = 0;
  readonly #lane: LightLane;
  #isLight = false;

  constructor(session: Session, play: Play<Kinds, Input, "player">, lane: LightLane, random: () => number) {
    this.session = session;
    this.play = play;
    this.#lane = lane;
    this.#random = random;
  }

  /** What came and went since it became light. */
  get traffic(): Readonly<Traffic> {
    return this.#lane.traffic;
  }

  /** From now on it acknowledges snapshots without reading them, and shows nothing. */
  becomeLight(): void {
    this.#isLight = true;
    this.#lane.takeOver(Math.floor(this.play.time));
  }

  /** Does what is due: inputs, and what is shown. A light one makes one input each time. */
  advance(): void {
    if (this.#isLight) {
      this.#walk();
      const move = { x: Math.cos(this.#angle), y: Math.sin(this.#angle) };
      this.#lane.input({ move, aim: this.#angle - Math.PI, mark: this.mark });
      return;
    }
    this.play.advance(performance.now(), (input) => {
      this.#walk();
      input.move.x = Math.cos(this.#angle);
      input.move.y = Math.sin(this.#angle);
      input.aim = this.#angle - Math.PI;
      input.mark = this.mark;
    });
  }

  /** Another way now and then. */
  #walk(): void {
    if (this.#ticksLeft-- > 0) return;
    this.#ticksLeft = 5 + 25 * this.#random();
    this.#angle = 2 * Math.PI * this.#random();
  }

  /** Says something new; gives what. */
  press(): number {
    this.mark = (this.mark % MARKS) + 1;
    return this.mark;
  }

  /** Whether what somebody says is on this one's screen. */
  shows(other: Player, mark: number): boolean {
    const slot = other.play.me?.slot ?? -1;
    // All are shown by the same view, so an entity has the same number for each.
    const entity = slot < 0 ? undefined : this.play.frame.get(slot);
    return entity?.kind === "player" && entity.mark === mark;
  }

  async leave(): Promise<void> {
    await this.play.leave();
    await this.session.close();
  }
}

/** Somebody who plays in a room of this mode. */
export async function enter(
  port: number | string,
  mode: Mode,
  way: Way,
  random: () => number,
  room?: string,
): Promise<Player> {
  const session = openSession(port);
  const best = way === "session" ? undefined : way === "udp" ? overUdp() : overUdpAt(way.udpAt);
  let opened: LightLane | undefined;
  const lane: OpenLane = (last, means) => {
    opened = new LightLane(best?.(last, means) ?? last);
    return opened;
  };
  const play = await join(session, game, { mode, name: "bench", lane, room, maxEntities: 256 });
  if (opened === undefined) throw new Error("no lane was opened");
  return new Player(session, play, opened, random);
}
