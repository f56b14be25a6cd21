import { connect } from "@zocalo/client";
import { binaryDial } from "@zocalo/client/binary";
import { BestLane, dialLane, join, type LaneTicket, type OpenLane, overUdp, type Play } from "@zocalo/room";
import { dial } from "@zocalo/websocket";
import { game, MARKS } from "./game.ts";
import type { Mode } from "./wire.ts";

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

  constructor(session: Session, play: Play<Kinds, Input, "player">, random: () => number) {
    this.session = session;
    this.play = play;
    this.#random = random;
  }

  /** Does what is due: inputs, and what is shown. */
  advance(): void {
    this.play.advance(performance.now(), (input) => {
      if (this.#ticksLeft-- <= 0) {
        this.#ticksLeft = 5 + 25 * this.#random();
        this.#angle = 2 * Math.PI * this.#random();
      }
      input.move.x = Math.cos(this.#angle);
      input.move.y = Math.sin(this.#angle);
      input.aim = this.#angle - Math.PI;
      input.mark = this.mark;
    });
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
  const lane = way === "session" ? undefined : way === "udp" ? overUdp() : overUdpAt(way.udpAt);
  const play = await join(session, game, { mode, name: "bench", lane, room, maxEntities: 256 });
  return new Player(session, play, random);
}
