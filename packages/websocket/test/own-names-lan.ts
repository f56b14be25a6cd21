// Asks each door at addresses that are not loopback, and prints what it answered. Run in a network namespace
// that has them.
import { selfSigned } from "./certificate.ts";
import { answerOf, DOORS, openDoor } from "./doors.ts";
import { upgradeRequest } from "./peers.ts";

const tls = selfSigned("DNS:chat.example.org");
const outcomes: [what: string, status: number][] = [];
for (const [address, listening] of [
  ["192.0.2.2", "0.0.0.0"],
  ["2001:db8::2", "::"],
] as const) {
  const own = address.includes(":") ? `[${address}]` : address;
  for (const door of [...DOORS, "listen over TLS"] as const) {
    const isSecure = door === "listen over TLS";
    const options = { allowedHosts: ["chat.example.org"] };
    await using server = isSecure
      ? await openDoor("listen", { ...options, tls }, listening)
      : await openDoor(door, options, listening);
    const { port } = server;
    for (const [what, host, origin] of [
      ["its address", `${own}:${port}`, `http://${own}:${port}`],
      ["told", "chat.example.org", "https://chat.example.org"],
      ["a program", "gateway.example", null],
      ["a rebound name", `evil.example:${port}`, `http://evil.example:${port}`],
      ["localhost", `localhost:${port}`, `http://localhost:${port}`],
      ["a loopback address", "127.0.0.1", "http://127.0.0.1"],
      ["the other loopback address", "[::1]", "http://[::1]"],
      ["another address", "192.0.2.3", "http://192.0.2.3"],
      ["a page of elsewhere", `${own}:${port}`, "http://evil.example"],
    ] as const) {
      const request = upgradeRequest({ Host: host, Origin: origin }, "GET /ws HTTP/1.1");
      const { status } = await answerOf(port, request, address, isSecure);
      outcomes.push([`${door} at ${address}: ${what}`, status]);
    }
  }
}
console.log(JSON.stringify(outcomes));
