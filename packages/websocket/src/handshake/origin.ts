import { valuesOf } from "./fields.ts";

/** The part of an HTTP request that a handshake looks at; Node's `IncomingMessage` is one. */
export interface HandshakeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/**
 * The default of `checkOrigin`: true if there is no `Origin` header (programs other than browsers send none), or if its host and port are those of the
 * `Host` header. `null`, malformed and repeated ones are refused.
 */
export function isSameHost(request: HandshakeRequest): boolean {
  const origins = valuesOf(request.rawHeaders, "origin");
  if (origins.length === 0) return true;
  const hosts = valuesOf(request.rawHeaders, "host");
  const [origin] = origins;
  const [host] = hosts;
  if (origins.length > 1 || hosts.length !== 1 || origin === undefined || host === undefined) return false;
  const match = /^(https?):\/\/([^/?#@\\\s]+)$/i.exec(origin);
  if (match === null) return false;
  const scheme = (match[1] as string).toLowerCase();
  const from = authority(scheme, match[2] as string);
  return from !== undefined && from === authority(scheme, host);
}

/** `host[:port]` in one form, without the scheme's default port; `undefined` if it is malformed. */
function authority(scheme: string, text: string): string | undefined {
  if (/[/?#@\\\s]/.test(text)) return undefined;
  const url = URL.canParse(`${scheme}://${text}`) ? new URL(`${scheme}://${text}`) : undefined;
  return url === undefined || url.host === "" ? undefined : url.host;
}
