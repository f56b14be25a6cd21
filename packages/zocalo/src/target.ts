import { EXIT, UserError } from "./exit-code.ts";

/** What `listen` and `dial` are pointed at. */
export type Target =
  | {
      readonly kind: "stream";
      readonly network: "tcp" | "tcp4" | "tcp6" | "tls" | "unix";
      readonly address: string;
    }
  | { readonly kind: "datagram"; readonly network: "udp" | "udp4" | "udp6"; readonly address: string }
  | {
      readonly kind: "websocket";
      readonly isSecure: boolean;
      readonly address: string;
      readonly path: string;
    };

const FORMS =
  "tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, unix:PATH, ws://HOST:PORT/PATH or wss://HOST:PORT/PATH";

/**
 * Reads a target, such as `tcp://:7000` or `ws://localhost:8080/ws`. Addresses are checked by whoever opens them.
 *
 * @throws UserError (exit code 2) that shows the text and the forms.
 */
export function parseTarget(text: string): Target {
  const unix = /^unix:(?:\/\/)?(.+)$/s.exec(text)?.[1];
  if (unix !== undefined) return { kind: "stream", network: "unix", address: unix };
  const [, scheme = "", address = "", path = ""] = /^(\w+):\/\/([^/?#\s]+)([/?][^#\s]*)?$/.exec(text) ?? [];
  switch (scheme) {
    case "tcp":
    case "tcp4":
    case "tcp6":
    case "tls":
      if (path.length <= 1) return { kind: "stream", network: scheme, address };
      break;
    case "udp":
    case "udp4":
    case "udp6":
      if (path.length <= 1) return { kind: "datagram", network: scheme, address };
      break;
    case "ws":
    case "wss": {
      const isSecure = scheme === "wss";
      const hasPort = /:\w*$/.test(address.replace(/^\[.*\]/, ""));
      return {
        kind: "websocket",
        isSecure,
        address: hasPort ? address : `${address}:${isSecure ? 443 : 80}`,
        path,
      };
    }
    default:
  }
  throw new UserError(`${JSON.stringify(text)} is no target; allowed: ${FORMS}.`, EXIT.usage);
}
