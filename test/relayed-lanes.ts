import { listenPacket } from "@zocalo/net";
import { type LinkRelay, webRtcLanes, type WebRtcLanes } from "@zocalo/room";

/** A UDP port that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const socket = await listenPacket("udp", "127.0.0.1:0");
  const { port } = socket.localAddr;
  await socket.close();
  return port;
}

/** Lanes over WebRTC of which every datagram passes this link, both ways: pages are told where it is. */
export async function relayedLanes(link: LinkRelay): Promise<WebRtcLanes> {
  const port = await freePort();
  const lanes = webRtcLanes({ port, bindAddress: "127.0.0.1", advertised: "127.0.0.1" });
  const relay = (await link.udp(`127.0.0.1:${port}`)).split(":")[1] ?? "";
  const open = lanes.open.bind(lanes);
  lanes.open = async (offer, host) => {
    const opened = await open(offer, host);
    if (opened === undefined) return undefined;
    return {
      ...opened,
      answer: opened.answer.replace(`127.0.0.1 ${port} typ`, `127.0.0.1 ${relay} typ`),
    };
  };
  return lanes;
}
