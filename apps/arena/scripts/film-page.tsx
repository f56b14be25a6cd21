// Bundled into a page of its own for pictures: the page, and in it a player who plays as bots do.
import { render } from "preact";
import { think } from "../src/game/bots.ts";
import type { ArenaWorld, Player } from "../src/game/kinds.ts";
import { type NetFigures, NetRing, SAMPLE_MS, SAMPLES } from "../src/play/net-figures.ts";
import { Practice } from "../src/play/practice.ts";
import { App } from "../src/view/app.tsx";
import { Lobby } from "../src/view/lobby.ts";
import { Stage } from "../src/view/stage.ts";
import "../src/styles/base.css";
import "../src/styles/hud.css";
import "../src/styles/how.css";
import "../src/styles/dialog.css";
import "../src/styles/net.css";
import "../src/styles/network.css";

declare global {
  interface Window {
    /** Begins. @param seed the same one gives the same match. @param hasNet made-up figures of a network. */
    film: (seed: number, hasNet: boolean) => void;
    /** What can be seen now: sweets on the ground, hits of the piñata, and how far from it the player is. */
    moment: () => { readonly sweets: number; readonly hits: number; readonly away: number };
  }
}

/** What is played, and whom the page belongs to. */
let drawn: { world: ArenaWorld; me: Player | undefined } | undefined;
const advance: unknown = Reflect.get(Practice.prototype, "advance");
Practice.prototype.advance = function (...moment): boolean {
  const me = this.me === undefined ? undefined : this.world.get(this.me.slot);
  drawn = { world: this.world, me: me?.kind === "player" ? me : undefined };
  return typeof advance === "function" && Reflect.apply(advance, this, moment) === true;
};

/** Figures of a good link, which a bad moment passed seven seconds ago. */
function figures(sample: number): NetFigures {
  const isBad = sample > 25 && sample < 38;
  const wave = (every: number, by: number) => by * (1 + Math.sin(sample / every) * 0.4);
  return {
    roundTripMs: wave(5, 46) + (isBad ? 160 : 0),
    jitterMs: wave(3, 4) + (isBad ? 31 : 0),
    lossShare: isBad ? 0.062 : 0.004,
    bytesInPerSecond: wave(7, 11_200),
    bytesOutPerSecond: wave(4, 3_900),
    predictionErrorUnits: isBad ? 0.31 : wave(2, 0.02),
    tickLatenessMs: wave(9, 0.8),
    carrier: "webrtc",
    inputDepth: isBad ? 4 : 2,
  };
}

const NOTHING = { getItem: () => null, setItem: () => {} };

window.film = (seed, hasNet) => {
  const stage = new Stage(NOTHING, seed);
  stage.hands.fill = (input) => {
    if (drawn?.me !== undefined) think(drawn.me, drawn.world, input);
  };
  stage.name.value = "Ana";
  if (hasNet) {
    const ring = new NetRing();
    for (let i = 0; i < SAMPLES; i++) ring.offer(i * SAMPLE_MS, figures(i));
    stage.net.value = { ring, onLink: () => {} };
  }
  const root = document.createElement("div");
  root.id = "app";
  document.body.replaceChildren(root);
  const browser = { address: () => location.href, setAddress: () => {}, reload: () => {} };
  render(<App lobby={new Lobby(stage, NOTHING, browser)} />, root);
};

window.moment = () => {
  const [pinata] = drawn?.world.all("pinata") ?? [];
  const me = drawn?.me;
  return {
    sweets: [...(drawn?.world.all("sweet") ?? [])].length,
    hits: pinata?.hits ?? 0,
    away: me === undefined || me.out > 0 ? Number.POSITIVE_INFINITY : Math.hypot(me.at.x - 20, me.at.y - 12),
  };
};
