import { createRequire } from "node:module";
import { isIP } from "node:net";
import { inspect } from "node:util";
import { AddressCounts, exemptSet, type Holder, NetError, printableLines } from "@zocalo/net";
import { checkCount, checkKind, checkNames, type Names } from "@zocalo/net/transport";
import { ChannelLane, type LaneChannel, type WebRtcLane } from "./channel-lane.ts";
import { MAX_MESSAGE_BYTES } from "./lane.ts";
import { LEAST_RECEIVED, messageRate } from "./rate.ts";
import { laneClock } from "./running-time.ts";
import { checkHost } from "./udp-server.ts";

/** Options of `webRtcLanes`. */
export interface WebRtcLanesOptions {
  /** The UDP port of all lanes, which no other program may have. */
  readonly port: number;
  /** The IP address it is bound to. Default: all of this machine. */
  readonly bindAddress?: string | undefined;
  /**
   * The IP address that pages send to, for those behind Docker, NAT or a balancer, with the same port.
   * Default: all addresses that the machine has.
   */
  readonly advertised?: string | undefined;
  /** Most lanes; `open` then gives none. Default 1,000. */
  readonly maxLanes?: number | undefined;
  /** Most lanes opened for one host (an IPv6 /64 is one). Default 20. */
  readonly maxLanesPerAddress?: number | undefined;
  /** Who has no limit of its own, see `AddressLimitOptions`. Default: this machine, `localAddresses`. */
  readonly exemptAddresses?: readonly string[] | undefined;
  /** Most bytes a second to one page; what is past them is not sent. Default 262,144. */
  readonly maxBytesPerSecond?: number | undefined;
  /**
   * Most messages a second that are taken of one page, all of them at once if they come so, from 16. What is
   * past them is dropped, and counted as `excess`. Default 256.
   */
  readonly maxReceivedPerSecond?: number | undefined;
  /** Is told what handlers of lanes throw; nothing ends by it. Default: it is printed. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Used where `WebRtcLanesOptions` leaves a field out. */
export const defaultWebRtcLanesOptions = {
  maxLanes: 1_000,
  maxLanesPerAddress: 20,
  maxBytesPerSecond: 262_144,
  maxReceivedPerSecond: 256,
} as const satisfies Omit<WebRtcLanesOptions, "port">;

type Settings = WebRtcLanesOptions & { readonly [Name in keyof typeof defaultWebRtcLanesOptions]: number };

const names: Names<WebRtcLanesOptions> = {
  port: 1,
  bindAddress: 1,
  advertised: 1,
  maxLanes: 1,
  maxLanesPerAddress: 1,
  exemptAddresses: 1,
  maxBytesPerSecond: 1,
  maxReceivedPerSecond: 1,
  onError: 1,
};

/** Longest offer that is read, in characters; a page's has about 500. */
const MAX_OFFER_LENGTH = 8_192;

/** What is used of `node-datachannel`, which has no types here as it need not be installed. */
interface DataChannelLibrary {
  readonly PeerConnection: new (name: string, config: object) => LibraryPeer;
}

interface LibraryPeer {
  setRemoteDescription(sdp: string, type: "offer"): void;
  localDescription(): { readonly sdp: string } | null;
  gatheringState(): string;
  onGatheringStateChange(handler: (state: string) => void): void;
  onStateChange(handler: (state: string) => void): void;
  onDataChannel(handler: (channel: LibraryChannel) => void): void;
  close(): void;
}

interface LibraryChannel {
  sendMessageBinary(bytes: Uint8Array): boolean;
  bufferedAmount(): number;
  isOpen(): boolean;
  onOpen(handler: () => void): void;
  onMessage(handler: (message: string | Buffer | ArrayBuffer) => void): void;
  onClosed(handler: () => void): void;
  close(): void;
}

/** A lane to a page, and what the page's `signal` has to resolve with. */
export interface OpenedWebRtcLane {
  /** It is `probing` until the page has opened its channel. */
  readonly lane: WebRtcLane;
  /** In the format of SDP, for the page that made the offer. */
  readonly answer: string;
}

/**
 * Lanes to pages over WebRTC, all on one UDP port. It needs the package `node-datachannel`, which is native
 * and installed on its own: `npm install node-datachannel`.
 *
 * @throws NetError `unsupported` where that is not installed, `invalid_argument`
 * @example
 * const lanes = webRtcLanes({ port: 7002, advertised: "203.0.113.5" });
 * // The page's offer; `opened?.answer` is its answer
 * const opened = await lanes.open(offer, hostOf(peer.addr));
 */
export function webRtcLanes(options: WebRtcLanesOptions): WebRtcLanes {
  return new WebRtcLanes(options);
}

/** The lanes of one UDP port. `webRtcLanes` makes it. */
export class WebRtcLanes {
  readonly #options: Settings;
  readonly #library: DataChannelLibrary;
  readonly #report: (error: unknown) => void;
  readonly #perAddress: AddressCounts;
  readonly #lanes = new Set<ChannelLane>();
  #opened = 0;
  #excess = 0;
  #isClosed = false;

  constructor(options: WebRtcLanesOptions) {
    this.#options = checked(options);
    this.#library = loadDataChannels();
    this.#report =
      options.onError ?? ((error) => console.error(`zocalo lanes: ${printableLines(inspect(error))}`));
    this.#perAddress = new AddressCounts(
      this.#options.maxLanesPerAddress,
      exemptSet(options.exemptAddresses),
    );
  }

  /** Lanes that are not closed. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Messages that were dropped, as a page sent more than `maxReceivedPerSecond`. */
  get excess(): number {
    return this.#excess;
  }

  /**
   * A lane for the page that made this offer. It is closed if the page does not open it in 10 seconds.
   *
   * @param host from which the reliable side came, for `maxLanesPerAddress`: `hostOf(peer.addr)` of
   *   `@zocalo/net`
   * @returns `undefined` if a limit leaves no room, or the lanes are closed: the session carries then.
   * @throws NetError `invalid_argument` for what is no offer of a data channel, and one that is too long;
   *   `address_in_use` if another program has the port
   */
  async open(offer: string, host: string): Promise<OpenedWebRtcLane | undefined> {
    checkHost(host);
    if (!isOffer(offer)) throw fault("this is no offer of a data channel");
    if (this.#isClosed || this.#lanes.size >= this.#options.maxLanes) return undefined;
    const holder = this.#perAddress.take(host);
    if (holder === undefined) return undefined;
    return await this.#open(offer, holder);
  }

  /** Closes all lanes, and so the port. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#lanes) lane.close();
  }

  /** The same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #open(offer: string, holder: Holder): Promise<OpenedWebRtcLane> {
    let peer: LibraryPeer | undefined;
    let end: (cause: Error) => void = () => {};
    // Also of one whose addresses are never gathered: it is closed like any other that does not open.
    const hasEnded = new Promise<never>((_, reject) => (end = reject));
    const lane = new ChannelLane({
      onError: this.#report,
      clock: laneClock,
      maxBytesPerSecond: this.#options.maxBytesPerSecond,
      ended: () => {
        this.#lanes.delete(lane);
        this.#perAddress.release(holder);
        peer?.close();
        end(fault("the lane was closed before there was an answer"));
      },
    });
    // Who waits for the answer is told; afterwards nobody waits for it.
    hasEnded.catch(() => undefined);
    this.#lanes.add(lane);
    try {
      peer = this.#peer();
      let isTaken = false;
      peer.onDataChannel((channel) => {
        // One page has one channel: of more it could have as many as it likes.
        if (isTaken) channel.close();
        else serve(lane, channel, this.#limit());
        isTaken = true;
      });
      peer.onStateChange((state) => {
        if (state === "closed" || state === "failed") lane.close();
      });
      return { lane, answer: await Promise.race([this.#answer(peer, offer), hasEnded]) };
    } catch (cause) {
      lane.close();
      if (cause instanceof NetError) throw cause;
      throw notTaken(cause, this.#options.port);
    }
  }

  /** Whether one more message of a page is taken; what is not is counted. */
  #limit(): () => boolean {
    const rate = messageRate(this.#options.maxReceivedPerSecond, laneClock.now());
    return () => {
      const isTaken = rate.take(1, laneClock.now());
      if (!isTaken) this.#excess += 1;
      return isTaken;
    };
  }

  #peer(): LibraryPeer {
    const { port, bindAddress } = this.#options;
    this.#opened += 1;
    return new this.#library.PeerConnection(`lane ${this.#opened}`, {
      iceServers: [],
      enableIceUdpMux: true,
      portRangeBegin: port,
      portRangeEnd: port,
      maxMessageSize: MAX_MESSAGE_BYTES + 1,
      ...(bindAddress === undefined ? {} : { bindAddress }),
    });
  }

  /** The answer with the addresses of this side, which are all known when they are gathered. */
  async #answer(peer: LibraryPeer, offer: string): Promise<string> {
    await new Promise<void>((resolve) => {
      peer.onGatheringStateChange((state) => state === "complete" && resolve());
      peer.setRemoteDescription(withoutAddresses(offer), "offer");
      if (peer.gatheringState() === "complete") resolve();
    });
    const sdp = peer.localDescription()?.sdp;
    if (sdp === undefined) throw fault("the offer of a data channel was not taken");
    return advertisedIn(sdp, this.#options.advertised, this.#options.port);
  }
}

function serve(lane: ChannelLane, channel: LibraryChannel, mayTake: () => boolean): void {
  const carrying: LaneChannel = {
    get bufferedBytes() {
      return channel.bufferedAmount();
    },
    send(message) {
      try {
        return channel.isOpen() && channel.sendMessageBinary(message);
      } catch {
        return false; // It is closing, of which `onClosed` tells.
      }
    },
    close: () => channel.close(),
  };
  channel.onMessage((message) => {
    if (mayTake() && typeof message !== "string") lane.received(new Uint8Array(message));
  });
  channel.onClosed(() => lane.close());
  if (channel.isOpen()) lane.opened(carrying);
  else channel.onOpen(() => lane.opened(carrying));
}

/** `sdp` with one candidate, which is where the page shall send to. */
function advertisedIn(sdp: string, host: string | undefined, port: number): string {
  if (host === undefined) return sdp;
  const lines = sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate:"));
  const at = lines.findIndex((line) => line.startsWith("a=end-of-candidates"));
  const candidate = `a=candidate:1 1 UDP 2122317823 ${host} ${port} typ host`;
  lines.splice(at < 0 ? lines.length - 1 : at, 0, candidate);
  return lines.join("\r\n");
}

/**
 * An offer without the addresses that it names: the library would send to each of them, be it another's or
 * one of this network, and look up its name. Where a page is shows when it sends.
 */
export function withoutAddresses(offer: string): string {
  const lines = offer.split("\n").filter((line) => !/candidate/i.test(line));
  return lines.join("\n");
}

/** What a page's offer of a data channel and nothing else looks like; the library reads the rest. */
function isOffer(offer: unknown): offer is string {
  return (
    typeof offer === "string" &&
    offer.length <= MAX_OFFER_LENGTH &&
    offer.startsWith("v=0\r\n") &&
    /^m=application [^\r\n]*webrtc-datachannel\r$/m.test(offer) &&
    !/^m=(?!application)/m.test(offer)
  );
}

/** @param name of the package; for tests @throws NetError `unsupported` */
export function loadDataChannels(name = "node-datachannel"): DataChannelLibrary {
  try {
    // Loaded here and not above: it is optional, and native.
    return createRequire(import.meta.url)(name) as DataChannelLibrary;
  } catch (cause) {
    const reason = "lanes over WebRTC need the package node-datachannel: npm install node-datachannel";
    throw new NetError({ op: "listen", code: "unsupported", network: "udp", reason, cause });
  }
}

function checked(options: WebRtcLanesOptions): Settings {
  checkNames("listen", "lanes over WebRTC", options, names);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all = { ...defaultWebRtcLanesOptions, ...given } as unknown as Settings;
  checkCount("listen", "port", all.port, 65_535);
  for (const name of ["maxLanes", "maxLanesPerAddress"] as const) {
    checkCount("listen", name, all[name], 10_000_000);
  }
  checkCount("listen", "maxBytesPerSecond", all.maxBytesPerSecond, 2 ** 40);
  checkCount("listen", "maxReceivedPerSecond", all.maxReceivedPerSecond, 2 ** 20, LEAST_RECEIVED);
  checkKind("listen", "onError", all.onError, "function");
  for (const name of ["bindAddress", "advertised"] as const) {
    checkKind("listen", name, all[name], "string");
    if (all[name] !== undefined && isIP(all[name]) === 0) {
      throw fault(`${name} ${JSON.stringify(all[name])} is not an IP address`);
    }
  }
  return all;
}

/** What the library threw. It says in words alone that it could not bind its port. */
function notTaken(cause: unknown, port: number): NetError {
  if (!/gather/i.test(String(cause))) return fault("the offer of a data channel was not taken", cause);
  const reason = `UDP port ${port} cannot be bound`;
  return new NetError({ op: "listen", code: "address_in_use", network: "udp", reason, cause });
}

function fault(reason: string, cause?: unknown): NetError {
  return new NetError({ op: "listen", code: "invalid_argument", network: "udp", reason, cause });
}
