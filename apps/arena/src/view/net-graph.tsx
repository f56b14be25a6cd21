import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { LINKS, type LinkName } from "../play/links.ts";
import { NET_NUMBERS, type NetFigures, type NetNumber, type NetRing, SAMPLES } from "../play/net-figures.ts";
import { LOCALE, WORDS } from "../play/words.ts";

interface NetGraphProps {
  readonly ring: NetRing;
  /** The bad link that is simulated, if one is. */
  readonly link: LinkName | undefined;
  /** The player switched one on, or the one that was on off. */
  readonly onLink: (link: LinkName | undefined) => void;
}

/** How a figure is shown: what fills its graph at least, from where a player feels it, and its unit. */
interface Row {
  readonly full: number;
  readonly rough: number;
  readonly unit: string;
  readonly digits: number;
  readonly times: number;
}

const ROWS: Readonly<Record<NetNumber, Row>> = {
  roundTripMs: { full: 200, rough: 180, unit: "ms", digits: 0, times: 1 },
  jitterMs: { full: 40, rough: 30, unit: "ms", digits: 0, times: 1 },
  lossShare: { full: 0.1, rough: 0.03, unit: "%", digits: 1, times: 100 },
  bytesInPerSecond: { full: 20_000, rough: 40_000, unit: "kB/s", digits: 1, times: 1e-3 },
  bytesOutPerSecond: { full: 20_000, rough: 20_000, unit: "kB/s", digits: 1, times: 1e-3 },
  predictionErrorUnits: { full: 0.5, rough: 0.25, unit: "u", digits: 2, times: 1 },
  tickLatenessMs: { full: 10, rough: 8, unit: "ms", digits: 1, times: 1 },
  inputDepth: { full: 6, rough: 5, unit: "", digits: 0, times: 1 },
};
const CARRIERS: Readonly<Record<NetFigures["carrier"], string>> = {
  udp: "UDP",
  webrtc: "WebRTC",
  session: "WebSocket",
};
/** The figures in words are changed after so many samples: faster they are not read. */
const WORDS_EVERY = 5;
/** Of a graph, in CSS pixels: one and a bit for each sample. */
const WIDTH = 110;
const HEIGHT = 18;

/** What the network does: the last ten seconds, drawn, and the newest figures in words. */
export function NetGraph({ ring, link, onLink }: NetGraphProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const shown = useSignal(ring.figures);
  useEffect(() => {
    const graphs = [...(body.current?.querySelectorAll("canvas") ?? [])];
    const dark = matchMedia("(prefers-color-scheme: dark)");
    let colours = coloursOf(graphs[0]);
    const draw = (): void => {
      for (const [i, name] of NET_NUMBERS.entries()) drawGraph(graphs[i], ring, name, colours);
    };
    const recolour = (): void => {
      colours = coloursOf(graphs[0]);
      draw();
    };
    let samples = 0;
    const end = ring.onSample(() => {
      draw();
      if (samples++ % WORDS_EVERY === 0) shown.value = ring.figures;
    });
    dark.addEventListener("change", recolour);
    draw();
    return () => {
      end();
      dark.removeEventListener("change", recolour);
    };
  }, [ring, shown]);

  const figures = shown.value;
  return (
    <section class="net-graph" aria-label={WORDS.net.title} data-testid="net-graph">
      <h2>
        {WORDS.net.title} <span>{figures === undefined ? "" : CARRIERS[figures.carrier]}</span>
      </h2>
      <table>
        <tbody ref={body}>
          {NET_NUMBERS.map((name) => (
            <tr
              key={name}
              data-rough={figures !== undefined && isRough(name, figures[name]) ? "yes" : undefined}
            >
              <th scope="row">{WORDS.net[name]}</th>
              <td>
                <canvas width={WIDTH * 2} height={HEIGHT * 2} aria-hidden="true" />
              </td>
              <td data-testid={name}>{figures === undefined ? "–" : inWords(name, figures[name])}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {(Object.keys(LINKS) as LinkName[]).map((name) => (
        <button
          key={name}
          type="button"
          role="switch"
          class="switch"
          aria-checked={link === name}
          data-testid={`link-${name}`}
          onClick={() => onLink(link === name ? undefined : name)}
        >
          <span>{WORDS.net.links[name]}</span>
          <span class="track" aria-hidden="true" />
        </button>
      ))}
    </section>
  );
}

function isRough(name: NetNumber, value: number): boolean {
  return value >= ROWS[name].rough;
}

function inWords(name: NetNumber, value: number): string {
  const { digits, unit, times } = ROWS[name];
  const number = new Intl.NumberFormat(LOCALE, {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  });
  // A space that does not break.
  return `${number.format(value * times)}\u00a0${unit}`.trimEnd();
}

/** Of what is well, of what is rough, and of the line below. */
type Colours = readonly [calm: string, rough: string, line: string];

function coloursOf(element: Element | undefined): Colours {
  if (element === undefined) return ["", "", ""];
  const style = getComputedStyle(element);
  return [
    style.getPropertyValue("--moon"),
    style.getPropertyValue("--sun"),
    style.getPropertyValue("--line"),
  ];
}

/** One bar for each sample, the newest at the right, what is rough in the other colour. */
function drawGraph(
  canvas: HTMLCanvasElement | undefined,
  ring: NetRing,
  name: NetNumber,
  [calm, rough, line]: Colours,
): void {
  const brush = canvas?.getContext("2d");
  if (canvas === undefined || brush === null || brush === undefined) return;
  const { width, height } = canvas;
  brush.clearRect(0, 0, width, height);
  brush.fillStyle = line;
  brush.fillRect(0, height - 2, width, 2);
  const full = Math.max(ROWS[name].full, ring.most(name));
  const wide = width / SAMPLES;
  for (let ago = 0; ago < SAMPLES; ago++) {
    const value = ring.at(name, ago);
    if (Number.isNaN(value)) continue;
    const high = Math.max(2, (value / full) * height);
    brush.fillStyle = isRough(name, value) ? rough : calm;
    brush.fillRect(width - (ago + 1) * wide, height - high, wide - 0.4, high);
  }
}
