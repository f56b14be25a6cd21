// Bundled into a page of its own: a match, and the figures of a network that there is not.
import { render } from "preact";
import { NET_NUMBERS, type NetFigures, NetRing, SAMPLE_MS, SAMPLES } from "../src/play/net-figures.ts";
import { App } from "../src/view/app.tsx";
import { Lobby } from "../src/view/lobby.ts";
import { Stage } from "../src/view/stage.ts";
import "../src/styles/base.css";
import "../src/styles/hud.css";
import "../src/styles/dialog.css";
import "../src/styles/net.css";
import "../src/styles/network.css";

const nothing = { getItem: () => null, setItem: () => {} };
const stage = new Stage(nothing, 7);
const ring = new NetRing();
/** What the page asked for: the delay of the link that is simulated, or 0 for none. */
const links: number[] = [];
stage.net.value = { ring, onLink: (models) => links.push(models?.up.conditions.delayMs ?? 0) };

/** Figures of a good link, which a bad moment passes in the middle of. */
function figures(sample: number): NetFigures {
  const isBad = sample > 55 && sample < 68;
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
for (let i = 0; i < SAMPLES; i++) ring.offer(i * SAMPLE_MS, figures(i));

/** One sample more, in which nothing is well. */
const offerBad = (): void =>
  ring.offer(SAMPLES * SAMPLE_MS, { ...figures(60), roundTripMs: 321, carrier: "session" });
Object.assign(window, { links, offerBad, numbers: NET_NUMBERS });

const key = (code: string): void => void stage.keyDown(code);
addEventListener("keydown", (event) => key(event.code));
const root = document.createElement("div");
root.id = "app";
document.body.replaceChildren(root);
const browser = { address: () => location.href, setAddress: () => {}, reload: () => {} };
render(<App lobby={new Lobby(stage, nothing, browser)} />, root);
