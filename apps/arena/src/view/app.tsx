import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { WORDS } from "../play/words.ts";
import { Hud } from "./hud.tsx";
import { Scene } from "./scene.ts";
import { Menu, Result, Title } from "./screens.tsx";
import type { Lobby } from "./lobby.ts";
import type { Stage } from "./stage.ts";

/** What the score covers of the picture, in CSS pixels. */
const SCORE_PX = 62;

export function App({ lobby }: { readonly lobby: Lobby }) {
  const { stage } = lobby;
  const { readout } = stage;
  const canvas = useRef<HTMLCanvasElement>(null);
  const motion = useSignal<"calm" | "full">("full");
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const scene = new Scene(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    const fit = (): void => {
      scene.isCalm = calm.matches;
      motion.value = calm.matches ? "calm" : "full";
      scene.fit(dark.matches, SCORE_PX);
    };
    const watch = new ResizeObserver(fit);
    watch.observe(element);
    dark.addEventListener("change", fit);
    calm.addEventListener("change", fit);
    fit();
    stage.show(scene);
    return () => watch.disconnect();
  }, [stage, motion]);

  const screen = stage.screen.value;
  const isOver = screen === "match" && stage.mode.value !== "replay" && readout.phase.value === "over";
  return (
    <main
      class="arena"
      data-screen={screen}
      data-mode={stage.mode.value}
      data-phase={readout.phase.value}
      data-pad={stage.hasPad.value ? "yes" : undefined}
      data-motion={motion.value}
    >
      <canvas
        ref={canvas}
        role="img"
        aria-label={WORDS.arena}
        data-testid="arena"
        data-at={readout.at.value}
        data-people={readout.people.value}
        data-thrown={readout.hasThrown.value ? "yes" : undefined}
        onPointerDown={(event) => {
          event.preventDefault();
          if (stage.pressed()) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          if (event.pointerType === "mouse") stage.hands.mouseButton(true);
          else {
            event.currentTarget.closest("main")?.setAttribute("data-touch", "yes");
            const { clientWidth } = event.currentTarget;
            stage.hands.sticks.down(event.pointerId, event.offsetX, event.offsetY, clientWidth);
          }
        }}
        onPointerMove={(event) => {
          if (event.pointerType === "mouse") stage.hands.mouseMove(event.offsetX, event.offsetY);
          else stage.hands.sticks.move(event.pointerId, event.offsetX, event.offsetY);
        }}
        onPointerUp={(event) => letGo(stage, event)}
        onPointerCancel={(event) => letGo(stage, event)}
        onContextMenu={(event) => event.preventDefault()}
      />
      {screen === "title" ? null : <Hud lobby={lobby} />}
      <p class="sr-only" role="status">
        {readout.said.value}
      </p>
      {screen === "title" ? <Title lobby={lobby} /> : null}
      {screen === "menu" ? <Menu lobby={lobby} /> : null}
      {isOver ? <Result lobby={lobby} /> : null}
    </main>
  );
}

function letGo(stage: Stage, event: PointerEvent): void {
  if (event.pointerType === "mouse") stage.hands.mouseButton(false);
  else stage.hands.sticks.up(event.pointerId);
}
