import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { WORDS } from "../play/words.ts";
import { Hud } from "./hud.tsx";
import { Scene } from "./scene.ts";
import { Menu, Result, Title } from "./screens.tsx";
import type { Stage } from "./stage.ts";

/** What the score covers of the picture, in CSS pixels. */
const SCORE_PX = 62;

export function App({ stage }: { readonly stage: Stage }) {
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
  const isOver = screen === "match" && stage.phase.value === "over";
  return (
    <main
      class="arena"
      data-screen={screen}
      data-phase={stage.phase.value}
      data-pad={stage.hasPad.value ? "yes" : undefined}
      data-motion={motion.value}
    >
      <canvas
        ref={canvas}
        role="img"
        aria-label={WORDS.arena}
        data-testid="arena"
        data-at={stage.at.value}
        data-thrown={stage.hasThrown.value ? "yes" : undefined}
        onPointerDown={(event) => {
          event.preventDefault();
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
      {screen === "title" ? null : <Hud stage={stage} />}
      <p class="sr-only" role="status">
        {stage.said.value}
      </p>
      {screen === "title" ? <Title stage={stage} /> : null}
      {screen === "menu" ? <Menu stage={stage} /> : null}
      {isOver ? <Result stage={stage} /> : null}
    </main>
  );
}

function letGo(stage: Stage, event: PointerEvent): void {
  if (event.pointerType === "mouse") stage.hands.mouseButton(false);
  else stage.hands.sticks.up(event.pointerId);
}
