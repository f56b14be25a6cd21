import { signal } from "@preact/signals";
import type { Input, ShownPlayer } from "../game/kinds.ts";
import { noInput } from "../game/local-match.ts";
import { type Action, type Bindings, recallBindings, rememberBindings } from "../hands/bindings.ts";
import type { PadState } from "../hands/gamepad.ts";
import { Hands } from "../hands/hands.ts";
import { MenuPad } from "../hands/menu-pad.ts";
import type { Happening, Listener } from "../play/happenings.ts";
import { type LinkName, linkModels, type NetPlay } from "../play/links.ts";
import { type Memory, recall, remember } from "../play/memory.ts";
import { Practice } from "../play/practice.ts";
import type { Moment, Source } from "../play/source.ts";
import { WORDS } from "../play/words.ts";
import { moveFocus, pressFocused } from "./focus.ts";
import { Readout } from "./readout.ts";
import type { Scene } from "./scene.ts";
import { Sound } from "./sound.ts";

/** What is shown: a match against bots, one on the server, one that others play, or one that was recorded. */
export type Mode = "practice" | "online" | "watch" | "replay";

/** A picture is drawn for no longer than this, in seconds. */
const LONGEST_FRAME = 0.1;
const SOUND = "arena.sound";
const NAME = "arena.name";
const KNOWS_HOW = "arena.knows-how";

/** The match that is shown, the hands, the picture, and what the words around it say. */
export class Stage {
  /** Over the picture there is the title, the menu, or nothing. */
  readonly screen = signal<"title" | "match" | "menu">("title");
  readonly mode = signal<Mode>("practice");
  readonly readout = new Readout();
  readonly isBoardOpen = signal(false);
  readonly isSoundOn = signal(true);
  readonly bindings = signal<Bindings>(recallBindings({ getItem: () => null, setItem: () => {} }));
  readonly name = signal("");
  /** Here nobody has walked and thrown in a match yet. */
  readonly isNew = signal(true);
  /** A gamepad was connected: what has the focus is marked, whatever was used last. */
  readonly hasPad = signal(false);
  /** How the network play is doing, and its switches; `undefined` where there is none. */
  readonly net = signal<NetPlay | undefined>(undefined);
  readonly isNetOpen = signal(false);
  /** The bad link that is simulated, if one is. */
  readonly link = signal<LinkName | undefined>(undefined);
  /** Whom one watches, who does not play. */
  readonly followed = signal("");
  readonly hands: Hands;
  /** Called before each picture. */
  onFrame: ((moment: Moment) => void) | undefined;
  readonly #memory: Memory;
  readonly #sound = new Sound();
  readonly #tell: Listener;
  readonly #at = { x: 0, y: 0 };
  readonly #input = noInput();
  #hasFilled = false;
  #hasWalked = false;
  #hasThrown = false;
  #source: Source;
  #followed = -1;
  #scene: Scene | undefined;
  #seed: number;
  #last = 0;
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
    this.isNew.value = recall(memory, KNOWS_HOW) !== true;
    const name = recall(memory, NAME);
    this.name.value = typeof name === "string" ? name : plazaName(memory);
    this.#source = new Practice(seed);
    this.#tell = (what, x, y, player) => this.#happened(what, x, y, player);
  }

  /** Begins to draw. */
  show(scene: Scene): void {
    this.#scene = scene;
    requestAnimationFrame(this.#frame);
  }

  /** Remembers a name as it is to be shown. */
  rename(name: string): void {
    this.name.value = name.trim().slice(0, 16);
    remember(this.#memory, NAME, this.name.value);
  }

  /** Begins a match against bots. */
  practice(): void {
    this.#seed = (this.#seed + 1) | 0;
    const name = this.name.value;
    this.put(new Practice(this.#seed, name === "" ? WORDS.someone : name), "practice");
    this.readout.announce(WORDS.ready);
  }

  /** Shows this from now on, without a dialog over it. */
  put(source: Source, mode: Mode): void {
    this.#source = source;
    this.#followed = -1;
    this.mode.value = mode;
    this.hands.release();
    this.#sound.wake();
    this.isBoardOpen.value = false;
    this.readout.clear();
    this.screen.value = "match";
    const eye = this.#eye();
    if (eye !== undefined) this.#scene?.camera.follow(eye.at.x, eye.at.y, 0);
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
  toTitle(): void {
    this.put(new Practice(++this.#seed), "practice");
    this.screen.value = "title";
  }

  /** Ends the pause after a match against bots. */
  next(): void {
    if (this.#source instanceof Practice) this.#source.skipPause();
  }

  /** Looks at the next player, who does not play. */
  follow(): void {
    const players = [...this.#source.frame.all("player")];
    const now = players.findIndex(({ slot }) => slot === this.#eye()?.slot);
    this.#followed = players[(now + 1) % players.length]?.slot ?? -1;
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
    else if (action === "net") this.toggleNet();
    else if (action !== undefined && !this.#isPlaying) this.follow();
    return action !== undefined;
  }

  /** The picture was pressed. @returns true if that was not for a player's hands. */
  pressed(): boolean {
    if (this.#isPlaying) return false;
    this.#sound.wake();
    this.follow();
    return true;
  }

  get #isPlaying(): boolean {
    return this.mode.value === "practice" || this.mode.value === "online";
  }

  readonly #frame = (time: number): void => {
    const scene = this.#scene;
    if (scene === undefined) return;
    const seconds = Math.min(LONGEST_FRAME, Math.max(0, (time - this.#last) / 1_000));
    this.#last = time;
    const pad = this.hasPad.value ? navigator.getGamepads().find((each) => each !== null) : undefined;
    if (pad !== undefined && pad !== null) this.#readMenus(pad, seconds);
    this.#readHands(scene, this.#isPadOfMenu ? undefined : (pad ?? undefined));
    const isPaused = this.screen.value === "menu";
    const moment: Moment = { now: performance.now(), seconds, isPaused, fill: this.#fill };
    this.onFrame?.(moment);
    this.#hasFilled = false;
    if (this.#source.advance(moment, this.#tell)) {
      if (this.#hasFilled) this.hands.seen();
      const { frame, me, eggs } = this.#source;
      const eye = this.#eye();
      scene.draw(frame, me, eye, seconds, time, this.hands.sticks, eggs);
      this.followed.value = this.#isPlaying ? "" : (eye?.name ?? "");
      this.readout.read(frame, me, eye, this.#isPlaying);
    }
    requestAnimationFrame(this.#frame);
  };

  /** Whoever the picture follows: the player, or whom one has chosen. */
  #eye(): ShownPlayer | undefined {
    const { frame, me } = this.#source;
    if (this.#isPlaying) return me;
    const chosen = frame.get(this.#followed);
    if (chosen?.kind === "player") return chosen;
    const [first] = frame.all("player");
    return me ?? first;
  }

  #readHands(scene: Scene, pad: PadState | undefined): void {
    const input = this.#input;
    if (this.screen.value === "match" && this.#isPlaying && this.#source.me !== undefined) {
      this.hands.fill(input, scene.screenOf(scene.me, this.#at), pad);
      if (this.isNew.value && this.readout.phase.value === "play") this.#learn(input);
      return;
    }
    input.move.x = 0;
    input.move.y = 0;
    input.throws = false;
    input.dashes = false;
  }

  #learn({ move, throws }: Input): void {
    this.#hasWalked ||= move.x !== 0 || move.y !== 0;
    this.#hasThrown ||= throws;
    if (!this.#hasWalked || !this.#hasThrown) return;
    this.isNew.value = false;
    remember(this.#memory, KNOWS_HOW, true);
  }

  readonly #fill = (into: Input): void => {
    const { move, aim, throws, dashes } = this.#input;
    into.move.x = move.x;
    into.move.y = move.y;
    into.aim = aim;
    into.throws = throws;
    into.dashes = dashes;
    this.#hasFilled = true;
  };

  /** Menus are pressed by a gamepad, too; start opens the menu, and closes it. */
  #readMenus(pad: PadState, seconds: number): void {
    const press = this.#menuPad.read(pad, seconds);
    if (!this.#menuPad.isHeld) this.#isPadOfMenu = false;
    if (press === undefined) return;
    const screen = this.screen.value;
    const hasDialog = screen !== "match" || this.readout.phase.value === "over";
    if (hasDialog || press === "menu") this.#isPadOfMenu = true;
    if (press === "menu" && screen === "match") this.openMenu();
    else if ((press === "menu" || press === "back") && screen === "menu") this.resume();
    else if (press === "press" && !hasDialog && !this.#isPlaying) this.follow();
    else if (!hasDialog || press === "menu" || press === "back") return;
    else if (press === "press") pressFocused();
    else moveFocus(press === "next" ? 1 : -1);
  }

  #happened(what: Happening, x: number, y: number, player: ShownPlayer | undefined): void {
    const { me, frame } = this.#source;
    const isMine = player === undefined ? what !== "splat" : player.slot === me?.slot;
    this.#scene?.happened(what, x, y, player !== undefined && isMine);
    if (this.screen.value === "title") return;
    this.#sound.play(what, isMine);
    this.readout.happened(what, isMine, frame, me);
  }
}

/** The name of this browser in the chat, if there is one. */
function plazaName(memory: Memory): string {
  try {
    return memory.getItem("plaza.name") ?? "";
  } catch {
    return "";
  }
}
