import { isIP, isIPv4 } from "node:net";
import type { NetErrorCode } from "../contracts/error.ts";
import type { ProxyUrl } from "../options/proxy-url.ts";
import type { ProxyHandshake, ProxyStep, ProxyTarget } from "./proxy-handshake.ts";

const VERSION = 5;
const LOGIN_VERSION = 1;
const NO_LOGIN = 0;
const USER_AND_PASSWORD = 2;
const NO_ACCEPTABLE_METHOD = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** What the replies of RFC 1928 §6 mean. */
const REPLIES: Readonly<Record<number, readonly [words: string, code: NetErrorCode]>> = {
  1: ["general failure", "proxy_refused"],
  2: ["connection not allowed", "proxy_refused"],
  3: ["network is unreachable", "network_unreachable"],
  4: ["no route to host", "host_unreachable"],
  5: ["connection refused", "refused"],
  6: ["TTL expired", "host_unreachable"],
  7: ["command not supported", "proxy_refused"],
  8: ["address type not supported", "proxy_refused"],
};

/**
 * The client's side of SOCKS 5 (RFC 1928), with user and password (RFC 1929) where there are some and the
 * proxy asks for them. A name goes to the proxy as it is. An answer has at most 262 bytes, and one that comes
 * before it was asked for is a fault.
 */
export class Socks5 implements ProxyHandshake {
  readonly protocol = "SOCKS 5";
  /** The methods that are offered (§3). */
  readonly request: Uint8Array;
  readonly #target: ProxyTarget;
  readonly #login: ProxyUrl["login"];
  #awaited: "method" | "login" | "reply" = "method";
  /** What came and has not been read. */
  #received: Buffer = Buffer.alloc(0);

  /** @param target its host has at most 255 bytes. */
  constructor(target: ProxyTarget, login: ProxyUrl["login"]) {
    this.#target = target;
    this.#login = login;
    this.request =
      login === undefined
        ? Uint8Array.of(VERSION, 1, NO_LOGIN)
        : Uint8Array.of(VERSION, 2, NO_LOGIN, USER_AND_PASSWORD);
  }

  receive(bytes: Buffer): ProxyStep {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const [version, answer] = this.#received;
    const expected = this.#awaited === "login" ? LOGIN_VERSION : VERSION;
    if (version !== expected) return { fault: `its answer begins with ${version}, and not ${expected}` };
    if (answer === undefined) return "wait";
    if (this.#awaited === "reply") return this.#readReply(answer);
    if (this.#received.length > 2) return { fault: "it sent more than it was asked for" };
    this.#received = Buffer.alloc(0);
    return this.#awaited === "method" ? this.#readMethod(answer) : this.#readLogin(answer);
  }

  #readMethod(method: number): ProxyStep {
    if (method === NO_LOGIN) return this.#connect();
    if (method === USER_AND_PASSWORD && this.#login !== undefined) {
      this.#awaited = "login";
      const user = Buffer.from(this.#login.user);
      const password = Buffer.from(this.#login.password);
      const head = [Uint8Array.of(LOGIN_VERSION, user.length), user] as const;
      return { send: Buffer.concat([...head, Uint8Array.of(password.length), password]) };
    }
    if (method !== NO_ACCEPTABLE_METHOD) return { fault: `it chose method ${method}, which was not offered` };
    const words = this.#login === undefined ? "log in first" : "another way to log in is needed";
    return { refusal: words, code: "proxy_refused" };
  }

  #readLogin(status: number): ProxyStep {
    if (status === 0) return this.#connect();
    return { refusal: "wrong user or password", code: "proxy_refused" };
  }

  #connect(): ProxyStep {
    this.#awaited = "reply";
    const { port } = this.#target;
    return {
      send: Buffer.concat([
        Uint8Array.of(VERSION, CONNECT, 0),
        addressOf(this.#target.host),
        Uint8Array.of(port >> 8, port & 0xff),
      ]),
    };
  }

  /** §6. What the proxy is bound to, behind the reply, is passed over. */
  #readReply(reply: number): ProxyStep {
    if (reply !== 0) {
      const [words, code] = REPLIES[reply] ?? [`failure ${reply}`, "proxy_refused"];
      return { refusal: words, code };
    }
    const [, , , type, nameLength] = this.#received;
    if (type === undefined) return "wait";
    if (type !== IPV4 && type !== IPV6 && type !== NAME) return { fault: `address type ${type} is unknown` };
    if (nameLength === undefined) return "wait";
    const length = 4 + (type === IPV4 ? 4 : type === IPV6 ? 16 : 1 + nameLength) + 2;
    return this.#received.length < length ? "wait" : { rest: this.#received.subarray(length) };
  }
}

/** Type and address (§5). */
function addressOf(host: string): Uint8Array {
  if (isIPv4(host)) return Uint8Array.of(IPV4, ...host.split(".").map(Number));
  if (isIP(host) === 6) return Uint8Array.of(IPV6, ...ipv6Bytes(host));
  const name = Buffer.from(host);
  return Buffer.concat([Uint8Array.of(NAME, name.length), name]);
}

/** The 16 bytes of an IPv6 address without a zone. */
function ipv6Bytes(host: string): number[] {
  // As `new URL` writes it, an IPv4 address at the end is hexadecimal, too.
  const plain = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const words = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const first = words(head);
  const last = words(tail ?? "");
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last].flatMap((word) => [word >> 8, word & 0xff]);
}
