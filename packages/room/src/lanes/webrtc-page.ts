import { BestLane, type OpenLane } from "./best-lane.ts";
import { ChannelLane, channelSettings, type LaneChannel, type WebRtcLane } from "./channel-lane.ts";
import type { Lane } from "./lane.ts";
import { type LaneClock, laneClock } from "./running-time.ts";

/** Options of `openWebRtcLane`. */
export interface WebRtcLaneOptions {
  /** Is told what handlers of the lane throw, and `signal`; nothing ends by it. Default: `reportError`. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Default: the page's. */
  readonly clock?: LaneClock | undefined;
}

/**
 * Opens a lane from a page to a server, over a data channel of WebRTC. It is `probing` until a message has
 * gone both ways, `silent` when nothing was answered for 3 seconds, and closed after 30, or if no channel
 * opens in 10: then open another. No server but the one of the game is asked for anything (no STUN, no TURN).
 *
 * @param signal gives the server the offer, over the reliable side, and resolves with its answer, which
 *   `WebRtcLanes.open` has; with `null` or `undefined` if no lane is free
 * @example
 * const lane = openWebRtcLane((offer) => session.call<string | null>("game.webrtc", offer));
 */
export function openWebRtcLane(
  signal: (offer: string) => Promise<string | null | undefined>,
  options: WebRtcLaneOptions = {},
): WebRtcLane {
  const onError = options.onError ?? ((error) => globalThis.reportError(error));
  const peer = new RTCPeerConnection();
  const lane = new ChannelLane({
    onError,
    clock: options.clock ?? laneClock,
    ended: () => peer.close(),
  });
  const channel = peer.createDataChannel("lane", channelSettings);
  channel.binaryType = "arraybuffer";
  channel.addEventListener("open", () => lane.opened(carrying(channel)));
  channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (data instanceof ArrayBuffer) lane.received(new Uint8Array(data));
  });
  channel.addEventListener("close", () => lane.close());
  connect(peer, signal).then(
    (isAnswered) => {
      if (!isAnswered) lane.close();
    },
    (error: unknown) => {
      if (lane.state !== "closed") onError(error);
      lane.close();
    },
  );
  return lane;
}

/**
 * The lane of a room in a page: WebRTC while that passes, else the session.
 *
 * @example
 * const play = await join(session, game, { mode: "arena", lane: overWebRtc });
 */
export const overWebRtc: OpenLane = (session, { ask, onError, clock }) => {
  if (typeof RTCPeerConnection === "undefined") return session;
  const signal = async (offer: string): Promise<string | undefined> => {
    const { answer }: { readonly answer?: unknown } = Object(await ask({ kind: "webrtc", offer }));
    return typeof answer === "string" ? answer : undefined;
  };
  const better = (): Promise<Lane> => Promise.resolve(openWebRtcLane(signal, { onError, clock }));
  return new BestLane(session, { better, onError, clock });
};

/** The page's own addresses are not told: the server learns them from what the page sends. */
async function connect(
  peer: RTCPeerConnection,
  signal: (offer: string) => Promise<string | null | undefined>,
): Promise<boolean> {
  const offer = await peer.createOffer();
  await peer.setLocalDescription(offer);
  const answer = await signal(offer.sdp ?? "");
  if (answer === undefined || answer === null) return false;
  await peer.setRemoteDescription({ type: "answer", sdp: answer });
  return true;
}

function carrying(channel: RTCDataChannel): LaneChannel {
  return {
    get bufferedBytes() {
      return channel.bufferedAmount;
    },
    send(message) {
      if (channel.readyState !== "open") return false;
      channel.send(Uint8Array.from(message));
      return true;
    },
    close: () => channel.close(),
  };
}
