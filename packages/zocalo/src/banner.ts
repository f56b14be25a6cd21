import { createColors } from "picocolors";
import type { OpenPorts } from "./server.ts";

/** What the banner tells. */
export interface BannerFacts {
  readonly version: string;
  /** The host setting. */
  readonly host: string;
  readonly ports: OpenPorts;
  /** False in a checkout that was not built. */
  readonly hasPage: boolean;
  /** The game is served at `/arena/`. Default false. */
  readonly hasArena?: boolean;
  /** True on a terminal that shows colors. */
  readonly hasColors: boolean;
}

/** A channel of the default configuration, for lines to try. */
const CHANNEL = "plaza:general";

/** Says where the server listens and what to try, each line ready to be copied. */
export function banner({ version, host, ports, hasPage, hasArena = false, hasColors }: BannerFacts): string {
  const { bold, cyan, dim } = createColors(hasColors);
  const name = isEverywhere(host) ? "localhost" : host;
  const inUrl = name.includes(":") ? `[${name}]` : name;
  const { http, tcp, udp, lanes } = ports;

  const places: [string, string, string][] = [];
  if (http !== undefined) {
    const page = hasPage ? "" : "not built: run `npm run build`";
    places.push(["Page", `http://${inUrl}:${http}/`, page], ["WebSocket", `ws://${inUrl}:${http}/ws`, ""]);
  }
  if (http !== undefined && hasArena) places.push(["Arena", `http://${inUrl}:${http}/arena/`, "a game"]);
  if (tcp !== undefined) places.push(["TCP", `${inUrl}:${tcp}`, "one JSON command per line"]);
  if (udp !== undefined) places.push(["UDP", `${inUrl}:${udp}`, "one JSON command per datagram"]);
  if (lanes !== undefined) places.push(["Lanes", `${inUrl}:${lanes}`, "datagrams of games"]);
  const width = Math.max(...places.map(([, place]) => place.length));
  const table = places.map(
    ([door, place, note]) =>
      `  ${door.padEnd(10)} ${cyan(place)}${note === "" ? "" : " ".repeat(width - place.length + 3) + dim(note)}`,
  );

  const tries: string[] = [];
  const command = (rest: string) => `{"type":"publish","channel":"${CHANNEL}","data":{"text":"${rest}"}}`;
  if (tcp !== undefined) {
    tries.push(
      `  nc ${name} ${tcp}`,
      `  {"type":"subscribe","channel":"${CHANNEL}","last":10}`,
      `  ${command("hola")}`,
      "",
    );
  }
  if (udp !== undefined) tries.push(`  echo '${command("hola por UDP")}' | nc -u -w1 ${name} ${udp}`, "");
  const page = http !== undefined && hasPage ? "Open the page" : "";
  const other = tries.length === 0 ? "" : page === "" ? "In another terminal" : ", and in another terminal";
  const invitation = page === "" && other === "" ? [] : [`${page}${other}:`, ...tries];

  const reach = isEverywhere(host) ? ["Everyone on the network can get in.", ""] : [];
  const lines = [
    bold(`Zócalo ${version}`),
    "",
    ...table,
    "",
    ...reach,
    ...invitation,
    dim("Ctrl-C stops it."),
  ];
  return `${lines.join("\n")}\n`;
}

function isEverywhere(host: string): boolean {
  return host === "::" || host === "0.0.0.0";
}
