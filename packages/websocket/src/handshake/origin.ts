import { type HandshakeRequest, valuesOf } from "./fields.ts";
import { namedHost } from "./target.ts";

/**
 * True if there is no `Origin` header (programs other than browsers send none), or if its host and port are
 * those that the request is for: of the `Host` header, or of a target in absolute form. `null`, malformed and
 * repeated ones are refused. As a `checkOrigin` this lets in pages of whatever name leads here, an attacker's
 * own among them (DNS rebinding): the default, `HostNames.isOwnPage`, does not.
 */
export function isSameHost(request: HandshakeRequest): boolean {
  const origins = valuesOf(request.rawHeaders, "origin");
  if (origins.length === 0) return true;
  const [origin] = origins;
  const host = namedHost(request);
  if (origins.length > 1 || origin === undefined || host === undefined) return false;
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
