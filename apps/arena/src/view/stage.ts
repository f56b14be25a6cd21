import { signal } from "@preact/signals";
import type { Player, Team } from "../game/kinds.ts";
import { matchOf } from "../game/movement.ts";
import { NUMBERS } from "../game/numbers.ts";
import { leader } from "../game/players.ts";
import { countsDouble } from "../game/sweets.ts";
import { type Action, type Bindings, recallBindings, rememberBindings } from "../hands/bindings.ts";
import type { PadState } from "../hands/gamepad.ts";
import { Hands } from "../hands/hands.ts";
import { MenuPad } from "../hands/menu-pad.ts";
import type { Happening, Listener } from "../play/happenings.ts";
import { type LinkName, linkModels, type NetPlay } from "../play/links.ts";
import { type Memory, recall, remember } from "../play/memory.ts";
import { Practice } from "../play/practice.ts";
import { WORDS } from "../play/words.ts";
import { moveFocus, pressFocused } from "./focus.ts";
import type { Scene } from "./scene.ts";
import { Sound } from "./sound.ts";

/** A line of the leader board. */
export interface BoardLine {
  readonly slot: number;
  readonly name: string;
  readonly team: Team;
  readonly isMine: boolean;
  readonly points: number;
  readonly hits: number;
}

/** What is worth a sentence on the screen about the player; empty for nothing. */
export type MyState = "" | "out" | "full" | "carrying";

/** A frame is taken for no longer than this, in seconds. */
const LONGEST_FRAME = 0.1;
/** The board is counted anew after so many ticks. */
const BOARD_TICKS = 15;
/** For so long a banner is on the screen, in ticks. */
const BANNER_TICKS = 75;
const SOUND = "arena.sound";
const NAME = "arena.name";

/** All that the page does: the match, the hands, the picture, and what the words around it show. */
export class Stage {
  /** Over the picture there is the title, the menu, or nothing. */
  readonly screen = signal<"title" | "match" | "menu">("title");
  readonly phase = signal<"countdown" | "play" | "over">("countdown");
  readonly sun = signal(0);
  readonly moon = signal(0);
  readonly seconds = signal(0);
  readonly isDouble = signal(false);
  readonly mine = signal<MyState>("");
  readonly banner = signal("");
  /** For a screen reader. */
  readonly said = signal("");
  readonly board = signal<readonly BoardLine[]>([]);
  readonly isBoardOpen = signal(false);
  readonly isSoundOn = signal(true);
  readonly bindings = signal<Bindings>(recallBindings({ getItem: () => null, setItem: () => {} }));
  readonly name = signal("");
  /** A gamepad was connected: what has the focus is marked, whatever was used last. */
  readonly hasPad = signal(false);
  /** Where I am, in units, a few times a second, and whether I have thrown: for tests. */
  readonly at = signal("");
  readonly hasThrown = signal(false);
  /** How the network play is doing, and its switches; `undefined` where there is none. */
  readonly net = signal<NetPlay | undefined>(undefined);
  readonly isNetOpen = signal(false);
  /** The bad link that is simulated, if one is. */
  readonly link = signal<LinkName | undefined>(undefined);
  readonly hands: Hands;
  readonly #memory: Memory;
  readonly #sound = new Sound();
  readonly #tell: Listener;
  readonly #at = { x: 0, y: 0 };
  #practice: Practice;
  #scene: Scene | undefined;
  #seed: number;
  #last = 0;
  #bannerLeft = 0;
  readonly #menuPad = new MenuPad();
  /** A button that has pressed something in a menu does nothing in the match until it is let go. */
  #isPadOfMenu = false;

  constructor(memory: Memory, seed: number) {
    this.#memory = memory;
    this.#seed = seed;
    this.bindings.value = recallBindings(memory);
    this.hands = new Hands(this.bindings.value);
    this.isSoundOn.value = recall(memory, SOUND) !== false;
    this.#sound.isOn = this.isSoundOn.value;
    const name = recall(memory, NAME);
    this.name.value = typeof name === "string" ? name : plazaName(memory);
    this.#practice = new Practice(seed);
    this.#tell = (what, x, y, player) => this.#happened(what, x, y, player);
  }

  /** Begins to draw. */
  show(scene: Scene): void {
    this.#scene = scene;
    requestAnimationFrame(this.#frame);
  }

  /** Begins a match. */
  play(name: string): void {
    const trimmed = name.trim().slice(0, 16);
    this.name.value = trimmed;
    remember(this.#memory, NAME, trimmed);
    this.#seed = (this.#seed + 1) | 0;
    this.#practice = new Practice(this.#seed, trimmed === "" ? WORDS.someone : trimmed);
    this.hands.release();
    this.#sound.wake();
    this.screen.value = "match";
    this.#announce(WORDS.ready);
    if (this.#practice.me !== undefined) this.#scene?.camera.follow(this.#practice.me.at.x, 12, 0);
  }

  openMenu(): void {
    if (this.screen.value !== "match") return;
    this.hands.release();
    this.isBoardOpen.value = false;
    this.screen.value = "menu";
  }

  resume(): void {
    this.#sound.wake();
    this.hands.release();
    this.screen.value = "match";
  }

  /** Back to the title, behind which bots play. */
  leave(): void {
    this.#practice = new Practice(++this.#seed);
    this.hands.release();
    this.banner.value = "";
    this.screen.value = "title";
  }

  next(): void {
    this.#practice.skipPause();
  }

  setSound(isOn: boolean): void {
    this.isSoundOn.value = isOn;
    this.#sound.isOn = isOn;
    this.#sound.wake();
    remember(this.#memory, SOUND, isOn);
  }

  setBindings(bindings: Bindings): void {
    this.bindings.value = bindings;
    this.hands.bindings = bindings;
    rememberBindings(this.#memory, bindings);
  }

  toggleNet(): void {
    this.isNetOpen.value = this.net.value !== undefined && !this.isNetOpen.value;
  }

  /** Simulates a bad link from now on, or none. */
  setLink(link: LinkName | undefined): void {
    this.link.value = link;
    this.net.value?.onLink(link === undefined ? undefined : linkModels(link, this.#seed));
  }

  /** A gamepad was connected. */
  usePad(): void {
    this.hasPad.value = true;
  }

  /** A key, in a match. @returns true if it was for the match. */
  keyDown(code: string): boolean {
    if (this.screen.value !== "match") return false;
    this.#sound.wake();
    const action: Action | undefined = this.hands.keyDown(code);
    if (action === "board") this.isBoardOpen.value = !this.isBoardOpen.value;
    if (action === "net") this.toggleNet();
    return action !== undefined;
  }

  readonly #frame = (time: number): void => {
    const scene = this.#scene;
    if (scene === undefined) return;
    const seconds = Math.min(LONGEST_FRAME, Math.max(0, (time - this.#last) / 1_000));
    this.#last = time;
    const pad = this.hasPad.value ? navigator.getGamepads().find((each) => each !== null) : undefined;
    if (pad !== undefined && pad !== null) this.#readMenus(pad, seconds);
    const practice = this.#practice;
    if (this.screen.value === "match" && practice.me !== undefined) {
      const free = this.#isPadOfMenu ? undefined : (pad ?? undefined);
      this.hands.fill(practice.input, scene.screenOf(scene.me, this.#at), free);
    }
    const { tick } = matchOf(practice.world);
    const alpha = practice.advance(this.screen.value === "menu" ? 0 : seconds, this.#tell);
    const passed = matchOf(practice.world).tick - tick;
    if (passed > 0) {
      this.hands.seen();
      this.#count(passed);
    }
    const { before, world, me } = practice;
    scene.draw(before, world, me, alpha, seconds, time, this.hands.sticks);
    requestAnimationFrame(this.#frame);
  };

  /** Menus are pressed by a gamepad, too; start opens the menu, and closes it. */
  #readMenus(pad: PadState, seconds: number): void {
    const press = this.#menuPad.read(pad, seconds);
    if (!this.#menuPad.isHeld) this.#isPadOfMenu = false;
    if (press === undefined) return;
    const screen = this.screen.value;
    const hasDialog = screen !== "match" || this.phase.value === "over";
    if (hasDialog || press === "menu") this.#isPadOfMenu = true;
    if (press === "menu" && screen === "match") this.openMenu();
    else if ((press === "menu" || press === "back") && screen === "menu") this.resume();
    else if (!hasDialog || press === "menu" || press === "back") return;
    else if (press === "press") pressFocused();
    else moveFocus(press === "next" ? 1 : -1);
  }

  /** What the words around the picture show. Signals tell nobody of a value that stayed. */
  #count(passed: number): void {
    const { world, me } = this.#practice;
    const match = matchOf(world);
    this.phase.value = match.phase;
    this.sun.value = match.sun;
    this.moon.value = match.moon;
    this.seconds.value = Math.ceil(match.left / NUMBERS.ticksPerSecond);
    this.isDouble.value = countsDouble(match);
    this.mine.value = match.phase === "play" && me !== undefined ? stateOf(me) : "";
    if (this.#bannerLeft > 0) {
      this.#bannerLeft -= passed;
      if (this.#bannerLeft <= 0) this.banner.value = "";
    }
    if (match.tick % BOARD_TICKS >= passed) return;
    this.board.value = this.#lines();
    this.at.value = me === undefined ? "" : `${me.at.x.toFixed(1)} ${me.at.y.toFixed(1)}`;
  }

  #lines(): BoardLine[] {
    const lines: BoardLine[] = [];
    for (const player of this.#practice.world.all("player")) {
      const { slot, name, team, points, hitsMade } = player;
      lines.push({ slot, name, team, points, hits: hitsMade, isMine: player === this.#practice.me });
    }
    return lines.sort((a, b) => b.points - a.points || b.hits - a.hits || a.slot - b.slot);
  }

  #happened(what: Happening, x: number, y: number, player: Player | undefined): void {
    const { me, world } = this.#practice;
    const isMine = player === undefined ? what !== "splat" : player === me;
    this.#scene?.happened(what, x, y, player !== undefined && isMine);
    if (me === undefined) return;
    this.#sound.play(what, isMine);
    if (what === "throw" && isMine) this.hasThrown.value = true;
    if (what === "go") this.#announce(WORDS.go);
    if (what === "double") this.#announce(WORDS.double);
    if (what === "out" && isMine) this.said.value = WORDS.out;
    if (what !== "over") return;
    this.board.value = this.#lines();
    const match = matchOf(world);
    const winner = leader(match);
    const verdict = winner === undefined ? WORDS.draw : WORDS.wins[winner];
    this.said.value = `${verdict}. ${WORDS.result(match.sun, match.moon)}`;
    this.banner.value = "";
  }

  #announce(text: string): void {
    this.banner.value = text;
    this.said.value = text;
    this.#bannerLeft = BANNER_TICKS;
  }
}

function stateOf(me: Player): MyState {
  if (me.out > 0) return "out";
  if (me.sweets >= NUMBERS.sweets.carried) return "full";
  return me.sweets >= 3 ? "carrying" : "";
}

/** The name of this browser in the chat, if there is one. */
function plazaName(memory: Memory): string {
  try {
    return memory.getItem("plaza.name") ?? "";
  } catch {
    return "";
  }
}
