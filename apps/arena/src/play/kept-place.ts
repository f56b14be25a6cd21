import type { RoomTicket } from "@zocalo/room/client";
import { forget, type Memory, recall, remember } from "./memory.ts";

const PLACE = "arena.place";
const RELOADED = "arena.reloaded";

/** What a page leaves to the next one in its tab. */
export interface KeptPlace {
  readonly ticket: RoomTicket;
  readonly watches: boolean;
}

/** The place of this tab, so that a page that was loaded again comes back to it. */
export class PlaceMemory {
  readonly #memory: Memory;

  /** @param memory of this tab alone: `sessionStorage`. */
  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get place(): KeptPlace | undefined {
    const { ticket, watches } = Object(recall(this.#memory, PLACE)) as {
      readonly ticket?: Partial<RoomTicket> | null;
      readonly watches?: unknown;
    };
    const { key, room, process } = ticket ?? {};
    if (typeof key !== "string" || typeof room !== "string" || typeof process !== "string") return undefined;
    return { ticket: { key, room, process }, watches: watches === true };
  }

  keep(place: KeptPlace): void {
    remember(this.#memory, PLACE, place);
    forget(this.#memory, RELOADED);
  }

  forget(): void {
    forget(this.#memory, PLACE);
  }

  /** The server has another version. @returns true the first time: then the page is to be loaded again. */
  mayReload(): boolean {
    if (recall(this.#memory, RELOADED) === true) return false;
    remember(this.#memory, RELOADED, true);
    return recall(this.#memory, RELOADED) === true;
  }
}

/** The room of an invitation, the `ID` of `…#room=ID`. */
export function roomOfLink(address: string): string | undefined {
  return new URLSearchParams(new URL(address).hash.slice(1)).get("room") ?? undefined;
}

/** A link that invites to a room. @param address of this page, with or without a hash. */
export function linkOfRoom(address: string, room: string): string {
  const url = new URL(address);
  url.hash = new URLSearchParams({ room }).toString();
  return url.href;
}
