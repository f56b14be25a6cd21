import assert from "node:assert/strict";
import { test } from "node:test";
import { banner, type BannerFacts } from "./banner.ts";

const facts: BannerFacts = {
  version: "0.1.0",
  host: "localhost",
  ports: { http: 8080, tcp: 7000, udp: 7001 },
  hasPage: true,
  hasColors: false,
};

test("says where it listens and what to try", () => {
  assert.equal(
    banner(facts),
    `Zócalo 0.1.0

  Page       http://localhost:8080/
  WebSocket  ws://localhost:8080/ws
  TCP        localhost:7000           one JSON command per line
  UDP        localhost:7001           one JSON command per datagram

Open the page, and in another terminal:
  nc localhost 7000
  {"type":"subscribe","channel":"plaza:general","last":10}
  {"type":"publish","channel":"plaza:general","data":{"text":"hola"}}

  echo '{"type":"publish","channel":"plaza:general","data":{"text":"hola por UDP"}}' | nc -u -w1 localhost 7001

Ctrl-C stops it.
`,
  );
});

test("a closed door is not named", () => {
  const shown = banner({ ...facts, ports: { tcp: 4711 } });
  assert.match(shown, /TCP +localhost:4711/);
  assert.doesNotMatch(shown, /http|UDP|undefined|Open the page/);
  assert.match(shown, /In another terminal:\n {2}nc localhost 4711/);
  assert.doesNotMatch(banner({ ...facts, ports: { http: 1 } }), /terminal|nc /);
});

test("a page that is not built says how to build it", () => {
  const shown = banner({ ...facts, hasPage: false });
  assert.match(shown, /not built: run `npm run build`/);
  assert.doesNotMatch(shown, /Open the page/);
});

test("an open network is said, and its addresses can be used as they stand", () => {
  assert.match(
    banner({ ...facts, host: "::" }),
    /http:\/\/localhost:8080\/[^]*Everyone on the network can get in\./,
  );
  const shown = banner({ ...facts, host: "fe80::1" });
  assert.match(shown, /http:\/\/\[fe80::1\]:8080\//);
  assert.match(shown, /nc fe80::1 7000/);
});

test("colors only when asked for", () => {
  // oxlint-disable-next-line no-control-regex
  const bare = banner({ ...facts, hasColors: true }).replace(/\x1b\[\d+m/g, "");
  assert.equal(bare, banner(facts));
});
