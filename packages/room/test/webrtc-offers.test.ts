// What the server does with offers, whatever they are.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { NetError } from "@zocalo/net";
import {
  loadDataChannels,
  webRtcLanes,
  type WebRtcLanesOptions,
  withoutAddresses,
} from "../src/lanes/webrtc-server.ts";

/** As Chromium makes it, without candidates. */
/** Exempt: no limit of an address counts it. */
const LOCAL = "127.0.0.1";

const OFFER = [
  "v=0",
  "o=- 5178512313 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  "a=extmap-allow-mixed",
  "a=msid-semantic: WMS",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=ice-ufrag:xLqC",
  "a=ice-pwd:7S3dgqHnvhrPAfIJZmyF9kXy",
  "a=ice-options:trickle",
  `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`,
  "a=setup:actpass",
  "a=mid:0",
  "a=sctp-port:5000",
  "a=max-message-size:262144",
  "",
].join("\r\n");

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

async function lanesWith(options: Partial<WebRtcLanesOptions> = {}) {
  const port = await freePort();
  return { port, lanes: webRtcLanes({ port, bindAddress: "127.0.0.1", ...options }) };
}

function isArgumentError(error: unknown): boolean {
  return error instanceof NetError && error.code === "invalid_argument";
}

test("an offer is answered with the one port, or with the address that is advertised", async () => {
  const plain = await lanesWith();
  const candidates = (answer = ""): string[] =>
    answer.split("\r\n").filter((line) => line.startsWith("a=candidate:"));
  const found = await plain.lanes.open(OFFER, LOCAL);
  assert.ok(candidates(found?.answer).every((line) => line.includes(` 127.0.0.1 ${plain.port} typ host`)));
  assert.ok(candidates(found?.answer).length > 0);
  plain.lanes.close();
  assert.equal(found?.lane.state, "closed");
  assert.equal(await plain.lanes.open(OFFER, LOCAL), undefined);
  const behind = await lanesWith({ advertised: "203.0.113.5" });
  const answer = (await behind.lanes.open(OFFER, LOCAL))?.answer;
  assert.deepEqual(candidates(answer), [
    `a=candidate:1 1 UDP 2122317823 203.0.113.5 ${behind.port} typ host`,
  ]);
  behind.lanes.close();
});

test("nothing is sent to an address that an offer names", () => {
  const candidates = ["198.51.100.9", "router.local", "::1"].map(
    (host) => `a=candidate:1 1 UDP 2122317823 ${host} 53 typ host\r\n`,
  );
  const [first = "", ...others] = candidates;
  const offer =
    OFFER.replace("s=-\r\n", `s=-\r\n${first}`) + others.join("") + "a=candidate:2 1 UDP 1 x 9\r\n";
  assert.equal(withoutAddresses(offer), OFFER);
  assert.equal(withoutAddresses(offer.replaceAll("\r\n", "\n")), OFFER.replaceAll("\r\n", "\n"));
  assert.equal(withoutAddresses(OFFER), OFFER);
});

test("there are as many lanes as allowed, of all and of one host", async () => {
  const { lanes } = await lanesWith({ maxLanes: 3, maxLanesPerAddress: 1 });
  const host = "203.0.113.7";
  const first = await lanes.open(OFFER, host);
  assert.ok(first);
  assert.equal(await lanes.open(OFFER, host), undefined);
  assert.ok((await lanes.open(OFFER, LOCAL)) && (await lanes.open(OFFER, LOCAL)));
  assert.equal(await lanes.open(OFFER, LOCAL), undefined);
  first.lane.close();
  assert.equal(lanes.size, 2);
  assert.ok(await lanes.open(OFFER, host));
  lanes.close();
  assert.equal(lanes.size, 0);
});

test("what is no offer of a data channel is refused, and leaves nothing behind", async () => {
  const { lanes } = await lanesWith();
  const wrong: unknown[] = [
    "",
    undefined,
    42,
    "v=0\r\n",
    OFFER.replace("v=0", "v=1"),
    OFFER.replace("webrtc-datachannel", "something"),
    `${OFFER}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n`,
    OFFER + "a=x\r\n".repeat(2_000),
  ];
  for (const offer of wrong)
    await assert.rejects(lanes.open(offer as string, LOCAL), isArgumentError, String(offer));
  await assert.rejects(lanes.open(OFFER, undefined as unknown as string), /host is/);
  assert.equal(lanes.size, 0);
  lanes.close();
});

test("offers that are cut, flipped and mixed up end no process, and each is answered or refused", async () => {
  const { lanes } = await lanesWith();
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const lines = OFFER.split("\r\n");
    for (let count = random.int(1, 3); count > 0; count--) {
      const at = random.int(1, lines.length - 2);
      const how = random.below(4);
      if (how === 0) lines.splice(at, 1);
      else if (how === 1) lines.splice(at, 0, lines[random.below(lines.length)] ?? "");
      else if (how === 2) lines[at] = (lines[at] ?? "").slice(0, random.below(40));
      else lines[at] = `${(lines[at] ?? "").slice(0, 12)}${random.bytes(8).toString("latin1")}`;
    }
    const ending = lanes.open(lines.join("\r\n"), LOCAL).then(
      (found) => found?.lane.close(),
      (error) => assert.ok(isArgumentError(error), `seed ${seed}: ${String(error)}`),
    );
    await ending;
  }
  assert.equal(lanes.size, 0);
  lanes.close();
});

test("a port that another program has is told, and leaves nothing behind", async () => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const lanes = webRtcLanes({ port, bindAddress: "127.0.0.1" });
  await assert.rejects(
    lanes.open(OFFER, LOCAL),
    (error) =>
      error instanceof NetError && error.code === "address_in_use" && error.message.includes(`${port}`),
  );
  assert.equal(lanes.size, 0);
  await new Promise<void>((resolve) => socket.close(resolve));
  assert.ok(await lanes.open(OFFER, LOCAL));
  lanes.close();
});

test("options that are mistaken are refused, and named", () => {
  const wrong: [object, RegExp][] = [
    [{}, /port/],
    [{ port: 0 }, /port 0/],
    [{ port: 7_002, maxLanes: 0 }, /maxLanes 0/],
    [{ port: 7_002, maxLanesPerAddress: "1" }, /maxLanesPerAddress "1"/],
    [{ port: 7_002, maxBytesPerSecond: 0.5 }, /maxBytesPerSecond 0.5/],
    [{ port: 7_002, maxReceivedPerSecond: 15 }, /maxReceivedPerSecond 15/],
    [{ port: 7_002, maxReceivedPerSecond: 2 ** 20 + 1 }, /maxReceivedPerSecond 1048577/],
    [{ port: 7_002, advertised: "play.example.org" }, /advertised "play.example.org"/],
    [{ port: 7_002, bindAddress: "eth0" }, /bindAddress "eth0"/],
    [{ port: 7_002, onError: 1 }, /onError/],
    [{ port: 7_002, adress: 1 }, /no option "adress"/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(
      () => webRtcLanes(options as WebRtcLanesOptions),
      (error) => isArgumentError(error) && message.test(String(error)),
      JSON.stringify(options),
    );
  }
});

test("without the package one sentence says what is missing", () => {
  assert.throws(
    () => loadDataChannels("no-such-package"),
    (error) =>
      error instanceof NetError &&
      error.code === "unsupported" &&
      error.message.endsWith(
        "lanes over WebRTC need the package node-datachannel: npm install node-datachannel",
      ),
  );
});
