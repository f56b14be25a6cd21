// Bundled into a page of its own by shapes.test.ts: what a team's things look like to who sees no colours.
import { render } from "preact";
import type { Team } from "../src/game/kinds.ts";
import { Emblem } from "../src/view/emblem.tsx";
import { LIGHT } from "../src/view/palette.ts";
import { drawBody, drawEgg } from "../src/view/pictures.ts";

/** Side of a picture, in pixels. */
const SIDE = 96;
/** Both teams in the same colours: what differs is shape. */
const ALIKE = { ...LIGHT, moon: LIGHT.sun };

function pixels(draw: (brush: OffscreenCanvasRenderingContext2D) => void): Uint8ClampedArray {
  const brush = new OffscreenCanvas(SIDE, SIDE).getContext("2d");
  if (brush === null) throw new Error("no canvas");
  draw(brush);
  return brush.getImageData(0, 0, SIDE, SIDE).data;
}

function inUnits(draw: (brush: OffscreenCanvasRenderingContext2D) => void): Uint8ClampedArray {
  return pixels((brush) => {
    brush.scale(SIDE / 2, SIDE / 2);
    brush.translate(1, 1);
    draw(brush);
  });
}

/** The emblem of the page, in black. */
async function emblem(team: Team): Promise<Uint8ClampedArray> {
  const place = document.createElement("div");
  render(<Emblem team={team} />, place);
  const svg = place.querySelector("svg");
  if (svg === null) throw new Error("no emblem");
  svg.setAttribute("width", String(SIDE));
  svg.setAttribute("height", String(SIDE));
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  return pixels((brush) => brush.drawImage(image, 0, 0));
}

/** The share of all pixels that differ in one of these: 3 is what is covered, 0 to 2 are the colours. */
function difference(one: Uint8ClampedArray, other: Uint8ClampedArray, channels: readonly number[]): number {
  let count = 0;
  for (let i = 0; i < one.length; i += 4) {
    if (channels.some((at) => Math.abs((one[i + at] ?? 0) - (other[i + at] ?? 0)) > 32)) count++;
  }
  return (4 * count) / one.length;
}
const OUTLINE = [3];
const PICTURE = [0, 1, 2, 3];

/** By how much the teams differ in shape alone, bodies and emblems in their outline; and one from itself. */
export async function shapes() {
  const bodies = [0, 1, 2, 3, 4].map((look) => {
    const [sun, moon] = (["sun", "moon"] as const).map((team) =>
      inUnits((brush) => drawBody(brush, team, look, ALIKE)),
    );
    return sun === undefined || moon === undefined ? 0 : difference(sun, moon, OUTLINE);
  });
  const [sunEgg, moonEgg] = (["sun", "moon"] as const).map((team) =>
    inUnits((brush) => {
      brush.scale(3, 3);
      drawEgg(brush, team, ALIKE);
    }),
  );
  return {
    bodies,
    egg: sunEgg === undefined || moonEgg === undefined ? 0 : difference(sunEgg, moonEgg, PICTURE),
    emblem: difference(await emblem("sun"), await emblem("moon"), OUTLINE),
    same: difference(await emblem("sun"), await emblem("sun"), PICTURE),
  };
}

Object.assign(window, { shapes });
