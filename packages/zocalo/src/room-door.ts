import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Hub } from "@zocalo/hub";
import { joinHostPort, listenPacket, NetError, parseAddr, type Peer } from "@zocalo/net";
import { Rooms, type UdpLanes, udpLanes, type WebRtcLanes, webRtcLanes } from "@zocalo/room";
import { bindEverywhere } from "./bind.ts";
import { UserError } from "./exit-code.ts";
import type { Logger } from "./log.ts";
import { refusedGame, type RoomModes, sentenceOf } from "./room-modes.ts";
import type { Settings } from "./settings.ts";

/** What rooms need besides their settings. */
export interface RoomParts {
  readonly hub: Hub;
  readonly modes: RoomModes;
  readonly log: Logger;
  readonly hostOf: (peer: Peer) => string;
}

/** Rooms, and the lanes of datagrams that lead into them. */
export class RoomDoor {
  /** Where UDP lanes are, if they are. */
  readonly lanePort: number | undefined;
  readonly #rooms: Rooms;
  readonly #udp: UdpLanes | undefined;
  readonly #webRtc: WebRtcLanes | undefined;

  private constructor(
    rooms: Rooms,
    udp: UdpLanes | undefined,
    webRtc: WebRtcLanes | undefined,
    lanePort: number | undefined,
  ) {
    this.#rooms = rooms;
    this.#udp = udp;
    this.#webRtc = webRtc;
    this.lanePort = lanePort;
  }

  /**
   * Opens the lanes, and goes on with the rooms that the process before has left.
   *
   * @throws UserError when a lane cannot be opened, or a game is refused; then nothing is open.
   */
  static async open(settings: Settings, parts: RoomParts): Promise<RoomDoor> {
    const { hub, modes, log, hostOf } = parts;
    const { exemptAddresses } = settings;
    const onError = (error: unknown): void => log.error({ err: error }, "a room failed");
    const udp = await openUdp(settings, onError);
    let webRtc: WebRtcLanes | undefined;
    try {
      webRtc = await openWebRtc(settings, onError);
      const options = { udp: udp?.lanes, webRtc, hostOf, exemptAddresses, onError };
      const rooms = new Rooms(hub, modes, options);
      const count = await rooms.open();
      if (count > 0) log.info({ rooms: count }, "going on with rooms of the process before");
      if (udp !== undefined) log.info({ door: "lanes", address: udp.address }, "listening");
      return new RoomDoor(rooms, udp?.lanes, webRtc, udp?.port);
    } catch (error) {
      await udp?.lanes.close();
      webRtc?.close();
      throw refusedGame(error);
    }
  }

  /** Hands the rooms over to the next process: then the hub's engine has everything of them. */
  async handOver(): Promise<void> {
    await this.#rooms.close();
  }

  /** Closes the lanes. */
  async close(): Promise<void> {
    this.#webRtc?.close();
    await this.#udp?.close();
  }
}

interface OpenLanes {
  readonly lanes: UdpLanes;
  readonly port: number;
  readonly address: string;
}

async function openUdp(
  settings: Settings,
  onError: (error: unknown) => void,
): Promise<OpenLanes | undefined> {
  const { lanePort, laneAddress, host, maxClients, exemptAddresses } = settings;
  if (lanePort === "off") return undefined;
  // A lane has one address: that by which clients of this machine are told to come.
  const at = host === "localhost" ? "127.0.0.1" : host;
  const door = { label: "lanes", setting: "lanePort" } as const;
  const [open] = await bindEverywhere(door, at, lanePort, async (address, port) => {
    const packets = await listenPacket("udp", joinHostPort(address, port));
    return { packets, port: packets.localAddr.port, close: () => packets.close() };
  });
  if (open === undefined) return undefined;
  const { packets, port } = open;
  const advertised = laneAddress === "" ? undefined : laneAddress;
  try {
    const lanes = udpLanes(packets, { advertised, maxLanes: maxClients, exemptAddresses, onError });
    return { lanes, port, address: String(packets.localAddr) };
  } catch (error) {
    await packets.close();
    throw new UserError(`Cannot open lanes at ${laneAddress} (laneAddress): ${sentenceOf(error)}.`);
  }
}

async function openWebRtc(
  settings: Settings,
  onError: (error: unknown) => void,
): Promise<WebRtcLanes | undefined> {
  const { webrtcPort, laneAddress, host, maxClients, exemptAddresses } = settings;
  if (webrtcPort === "off") return undefined;
  try {
    const told = laneAddress === "" ? "" : parseAddr("udp", laneAddress, "listen").host;
    return webRtcLanes({
      port: webrtcPort,
      bindAddress: await bindAddressOf(host),
      advertised: isIP(told) === 0 ? undefined : told,
      maxLanes: maxClients,
      exemptAddresses,
      onError,
    });
  } catch (error) {
    const isMissing = error instanceof NetError && error.code === "unsupported";
    const why = isMissing
      ? "it needs the package node-datachannel: npm install node-datachannel"
      : sentenceOf(error);
    throw new UserError(`Cannot open lanes over WebRTC (webrtcPort): ${why}.`);
  }
}

/** The library takes IP addresses, and none for all. */
async function bindAddressOf(host: string): Promise<string | undefined> {
  if (host === "::" || host === "0.0.0.0") return undefined;
  if (host === "localhost") return "127.0.0.1";
  return isIP(host) === 0 ? (await lookup(host)).address : host;
}
