import { signal } from "@preact/signals";
import { enter, type Entry, EntryError } from "../play/entry.ts";
import type { Reason } from "../play/entry-reason.ts";
import { linkOfRoom, PlaceMemory, roomOfLink } from "../play/kept-place.ts";
import type { Memory } from "../play/memory.ts";
import type { Online } from "../play/online.ts";
import type { Rerun } from "../play/rerun.ts";
import type { Moment, Speed } from "../play/source.ts";
import { WORDS } from "../play/words.ts";
import type { Stage } from "./stage.ts";

/** What of the browser is used: the page's address, and how to load it again. */
export interface Browser {
  readonly address: () => string;
  /** Shows another address; nothing is loaded. */
  readonly setAddress: (address: string) => void;
  readonly reload: () => void;
}

/** The page's way into a match of the server, back to its place, and out again. */
export class Lobby {
  readonly stage: Stage;
  /** It is on its way into a match. */
  readonly isEntering = signal(false);
  /** Why there is no match any more, or none was to be had. */
  readonly reason = signal<Reason | undefined>(undefined);
  /** The connection is lost, and the place is being taken again. */
  readonly isReturning = signal(false);
  /** The room that the page's address invites to. */
  readonly invited = signal<string | undefined>(undefined);
  /** How many watch. */
  readonly watchers = signal(0);
  /** The link that invites others, while there is a match. */
  readonly invitation = signal("");
  /** What is played again, and how. */
  readonly rerun = signal<Rerun | undefined>(undefined);
  readonly isRunning = signal(true);
  readonly speed = signal<Speed>(1);
  readonly hasRunOut = signal(false);
  /** There is no recording of this match. */
  readonly isUnrecorded = signal(false);
  readonly #places: PlaceMemory;
  readonly #browser: Browser;
  /** A place is there, and nothing to show yet. */
  #arriving: Online | undefined;
  #online: Online | undefined;
  /** Of what the server remembers: with another one it says, once, that it had failed. */
  #incarnation = "";
  /** Counts what was begun: what comes of an earlier one is not wanted any more. */
  #attempt = 0;

  /** @param tab what is remembered as long as this tab is open. */
  constructor(stage: Stage, tab: Memory, browser: Browser) {
    this.stage = stage;
    this.#places = new PlaceMemory(tab);
    this.#browser = browser;
    this.invited.value = roomOfLink(browser.address());
    stage.onFrame = (moment) => this.#frame(moment);
  }

  /** After the page was loaded: back to the place of this tab, unless the address names another room. */
  begin(): void {
    const place = this.#places.place;
    const { value: room } = this.invited;
    if (place === undefined) return;
    if (room !== undefined && room !== place.ticket.room) this.#places.forget();
    else void this.#enter({ name: this.#name, ...place });
  }

  play(): void {
    void this.#enter({ name: this.#name, room: this.invited.value });
  }

  watch(): void {
    void this.#enter({ name: this.#name, room: this.invited.value, watches: true });
  }

  /** Opens a room for those who get its link. */
  playPrivately(): void {
    void this.#enter({ name: this.#name, isPrivate: true });
  }

  practice(): void {
    this.#attempt++;
    this.isEntering.value = false;
    this.reason.value = undefined;
    this.stage.practice();
  }

  /** Gives the place up, and goes back to the title. */
  leave(): void {
    this.#drop();
    this.reason.value = undefined;
    this.stage.toTitle();
  }

  /** The page is left for good: the place becomes free. */
  goAway(): void {
    this.#drop();
  }

  /** The address has changed, as when somebody has opened an invitation in this tab. */
  addressChanged(): void {
    const room = roomOfLink(this.#browser.address());
    if (room === this.invited.value) return;
    if (this.#online !== undefined || this.#arriving !== undefined) this.leave();
    this.invited.value = room;
  }

  /** Plays the match again that has just ended. */
  async watchAgain(): Promise<void> {
    const online = this.#online;
    if (online === undefined) return;
    const attempt = ++this.#attempt;
    try {
      // A page that plays nothing again does not carry what the server has done.
      const [bytes, { Rerun }] = await Promise.all([online.recording(), import("../play/rerun.ts")]);
      if (attempt !== this.#attempt) return;
      if (bytes === undefined) throw new Error("this server keeps no recording");
      const rerun = new Rerun(bytes, online.play.room.seat);
      this.rerun.value = rerun;
      this.isRunning.value = true;
      this.speed.value = 1;
      this.hasRunOut.value = false;
      this.stage.put(rerun, "replay");
    } catch {
      // A reader sees it in the place of the button.
      this.isUnrecorded.value = true;
    }
  }

  setRunning(isRunning: boolean): void {
    if (this.rerun.value !== undefined) this.rerun.value.isPlaying = isRunning;
    this.isRunning.value = isRunning;
  }

  setSpeed(speed: Speed): void {
    if (this.rerun.value !== undefined) this.rerun.value.speed = speed;
    this.speed.value = speed;
    this.setRunning(true);
  }

  /** From what was recorded to what goes on. */
  toMatch(): void {
    this.rerun.value = undefined;
    if (this.#online === undefined) this.stage.toTitle();
    else this.stage.put(this.#online, this.#online.watches ? "watch" : "online");
  }

  get #name(): string {
    const { value: name } = this.stage.name;
    // Others tell guests apart by the number.
    return name === "" ? WORDS.guest(10 + Math.floor(90 * Math.random())) : name;
  }

  async #enter(entry: Entry): Promise<void> {
    if (this.isEntering.value) return;
    const attempt = ++this.#attempt;
    this.isEntering.value = true;
    this.reason.value = undefined;
    try {
      const online = await enter(entry, (reason) => this.#ended(reason));
      if (attempt !== this.#attempt) {
        void online.leave();
        return;
      }
      this.#arriving = online;
      this.#places.keep({ ticket: online.play.ticket, watches: online.watches });
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#refused(error instanceof EntryError ? error.reason : "failed");
      if (!(error instanceof EntryError)) throw error;
    }
  }

  #refused(reason: Reason): void {
    this.isEntering.value = false;
    if (reason === "other_version" && this.#places.mayReload()) {
      this.#browser.reload();
      return;
    }
    // A place may still be there when the server can be reached again.
    if (reason !== "unreachable" && reason !== "busy") this.#places.forget();
    if (reason === "no_room") this.#setRoom(undefined);
    this.reason.value = reason;
  }

  #ended(reason: Reason): void {
    this.#forgetMatch();
    this.#refused(reason);
    if (this.rerun.value === undefined) this.stage.toTitle();
  }

  #drop(): void {
    this.#attempt++;
    this.isEntering.value = false;
    const online = this.#online ?? this.#arriving;
    void online?.leave();
    if (online !== undefined) this.#places.forget();
    this.#forgetMatch();
    this.#setRoom(undefined);
  }

  #forgetMatch(): void {
    this.#online = undefined;
    this.#arriving = undefined;
    this.isReturning.value = false;
    this.invitation.value = "";
    this.stage.net.value = undefined;
    this.stage.isNetOpen.value = false;
    this.stage.link.value = undefined;
  }

  #setRoom(room: string | undefined): void {
    this.invited.value = room;
    if (room === roomOfLink(this.#browser.address())) return;
    const [page = ""] = this.#browser.address().split("#");
    this.#browser.setAddress(room === undefined ? page : linkOfRoom(page, room));
  }

  #frame(moment: Moment): void {
    const arriving = this.#arriving;
    if (arriving?.advance(moment, () => {}) === true) this.#arrived(arriving);
    const online = this.#online;
    if (online === undefined) return;
    const { play } = online;
    const { incarnation } = play.room;
    if (incarnation !== this.#incarnation && play.restored === "checkpoint") {
      this.stage.readout.announce(WORDS.network.restored);
    }
    this.#incarnation = incarnation;
    this.isReturning.value = online.state === "returning" && this.rerun.value === undefined;
    this.watchers.value = online.watchers;
    this.hasRunOut.value = this.rerun.value?.hasEnded === true;
    if (this.stage.readout.phase.value !== "over") this.isUnrecorded.value = false;
  }

  #arrived(online: Online): void {
    const { room, isPrivate } = online.play.room;
    this.#arriving = undefined;
    this.#online = online;
    this.isEntering.value = false;
    this.rerun.value = undefined;
    this.stage.net.value = { ring: online.ring, onLink: (models) => online.link.set(models) };
    this.invitation.value = linkOfRoom(this.#browser.address(), room);
    if (isPrivate) this.#setRoom(room);
    this.stage.put(online, online.watches ? "watch" : "online");
  }
}
