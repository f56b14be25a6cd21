// Any request that is like an upgrade: most are one, and the others are one but for a little.
import fc from "fast-check";
import { SAMPLE_KEY, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

export const UPGRADE = upgradeRequest();
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
export const HELLO = frameFrom("client", 0x81, "hello");

const oneOf = (...texts: string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const mostly = (usual: string, ...others: string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 25, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: oneOf(...others) });
const someCase = (name: string): fc.Arbitrary<string> =>
  mostly(name, name.toLowerCase(), name.toUpperCase(), `${name} `, `x${name}`);
const line = (name: string, ...values: [string, ...string[]]): fc.Arbitrary<string> =>
  fc
    .tuple(
      someCase(name),
      mostly(": ", ":", ":  ", ":\t", " : "),
      mostly(...values),
      mostly("\r\n", "\n", "\r", " \r\n", "\r\n ", "\r\n\r\n"),
    )
    .map((parts) => parts.join(""));
/** Mostly there once. */
const times = (each: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.oneof(
    { weight: 30, arbitrary: each.map((text) => [text]) },
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.tuple(each, each).map((two): string[] => two) },
  );
const essential = fc
  .tuple(
    times(line("Host", "example.org", "example.org:8080", "", "a/b", "a,b", "[::1]")),
    times(line("Upgrade", "websocket", "WebSocket", "h2c", "h2c, websocket", "")),
    times(
      line(
        "Connection",
        "Upgrade",
        "keep-alive, Upgrade",
        "upgrade",
        "close",
        "Upgrade, close",
        "keep-alive,Upgrade,",
      ),
    ),
    times(line("Sec-WebSocket-Key", SAMPLE_KEY, "", "short", `${SAMPLE_KEY},`)),
    times(line("Sec-WebSocket-Version", "13", "8", "13, 8", "", "013")),
  )
  .map((lists) => lists.flat());
const optional = fc.array(
  fc.oneof(
    line("Origin", "http://example.org", "http://evil.example", "null", "HTTP://Example.ORG"),
    line("Sec-WebSocket-Protocol", "chat", "a, chat", ",", "a,a", "\u00f1"),
    line(
      "Sec-WebSocket-Extensions",
      "permessage-deflate; client_max_window_bits",
      "x",
      "permessage-deflate; server_max_window_bits=8",
      '"',
    ),
    line("Cookie", "a=b; c=d", "", "\u00ff", "a=\u0001"),
    line("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "\t", "a\u007f"),
    line("Content-Length", "0", "5", "x", "-1", "0, 0"),
    line("Transfer-Encoding", "chunked", "identity", "gzip, chunked"),
    line("Expect", "100-continue", "x"),
    line("Proxy-Connection", "close", "keep-alive"),
    line("__proto__", "a", "constructor"),
  ),
  { maxLength: 3 },
);
const firstLine = fc.oneof(
  { weight: 12, arbitrary: fc.constant("GET / HTTP/1.1\r\n") },
  {
    weight: 2,
    arbitrary: oneOf(
      "GET /?a=b HTTP/1.1\r\n",
      "GET /#a HTTP/1.1\r\n",
      "GET /\u00f1 HTTP/1.1\r\n",
      "GET /other HTTP/1.1\r\n",
      "GET http://example.org/ HTTP/1.1\r\n",
      "GET ws://evil.example:80?a HTTP/1.1\r\n",
      "GET * HTTP/1.1\r\n",
      "get / HTTP/1.1\r\n",
      "POST / HTTP/1.1\r\n",
      "GET / HTTP/1.0\r\n",
      "GET / HTTP/2.0\r\n",
      "GET / HTTP/1.1\n",
      "GET / HTTP/1.1 \r\n",
      "GET  / HTTP/1.1\r\n",
      "\r\nGET / HTTP/1.1\r\n",
      "GET /\r\n",
    ),
  },
);
const tail = fc.constantFrom("", "", HELLO.toString("latin1"), GET, UPGRADE, "\r\n", "\0");
const change = fc.record({
  at: fc.nat(400),
  cut: fc.nat(2),
  put: fc.constantFrom("", " ", "\r", "\n", "\0", ":", "\t", "a", "\u00ff", "\r\n", ",", "X: y\r\n"),
});
/** A request, and what was done to its bytes. */
export const likeAnUpgrade = fc
  .tuple(
    firstLine,
    fc
      .tuple(essential, optional)
      .chain(([some, more]) =>
        fc.shuffledSubarray([...some, ...more], { minLength: some.length + more.length }),
      ),
    tail,
    fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(change, { maxLength: 2 }) },
    ),
  )
  .map(([first, lines, end, changes]) => {
    let text = `${first}${lines.join("")}\r\n${end}`;
    for (const { at, cut, put } of changes) text = text.slice(0, at) + put + text.slice(at + cut);
    return text;
  });
