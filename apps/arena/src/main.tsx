import { render } from "preact";
import { onLeaving } from "./play/leaving.ts";
import { browserMemory } from "./play/memory.ts";
import { LOCALE, WORDS } from "./play/words.ts";
import { App } from "./view/app.tsx";
import { Lobby } from "./view/lobby.ts";
import { Stage } from "./view/stage.ts";
import "./styles/base.css";
import "./styles/hud.css";
import "./styles/how.css";
import "./styles/dialog.css";
import "./styles/net.css";
import "./styles/network.css";

document.documentElement.lang = LOCALE;
document.title = `${WORDS.title} · arena`;

/** `?seed=7` plays the same match again, as far as the hands do. */
const seed = Number(new URLSearchParams(location.search).get("seed") ?? Number.NaN);
const stage = new Stage(
  browserMemory(),
  Number.isInteger(seed) ? seed : (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0),
);

const lobby = new Lobby(stage, browserMemory(true), {
  address: () => location.href,
  setAddress: (address) => history.replaceState(null, "", address),
  reload: () => location.reload(),
});

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "Escape" && stage.screen.value === "match") {
    // Else the same press closes the menu that it has opened.
    event.preventDefault();
    if (lobby.rerun.value === undefined) stage.openMenu();
    else lobby.toMatch();
  }
  // Buttons are pressed by their keys while they have the focus.
  else if (event.target instanceof HTMLButtonElement && ["Enter", "Tab"].includes(event.code)) return;
  else if (stage.keyDown(event.code)) event.preventDefault();
});
addEventListener("keyup", (event) => stage.hands.keyUp(event.code));
addEventListener("blur", () => stage.hands.release());
addEventListener("gamepadconnected", () => stage.usePad());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stage.openMenu();
});
addEventListener("hashchange", () => lobby.addressChanged());
onLeaving(() => lobby.goAway());
// A page that is shown again out of the browser's memory has left its match.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const root = document.getElementById("app");
if (root !== null) render(<App lobby={lobby} />, root);
lobby.begin();
