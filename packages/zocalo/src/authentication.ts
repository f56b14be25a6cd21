import { readFileSync } from "node:fs";
import { type Authenticate, guests } from "@zocalo/hub";
import type { JwtKey, JwtRefusal, JwtRefusalReason } from "@zocalo/hub/jwt";
import { NetError } from "@zocalo/net";
import { EXIT, UserError } from "./exit-code.ts";
import type { Logger } from "./log.ts";
import { Seldom } from "./seldom.ts";
import type { Settings } from "./settings.ts";

/** The settings that are about tokens. */
export type TokenSettings = Pick<
  Settings,
  | "tokenSecret"
  | "tokenSecretFile"
  | "tokenKeyFile"
  | "tokenJwks"
  | "tokenAudience"
  | "tokenIssuer"
  | "tokenFrom"
>;

/**
 * Who somebody is by the settings: users by their tokens, and everybody else a guest.
 *
 * @param log told of refusals, of each reason once a minute
 * @returns nothing where there are no keys
 * @throws UserError for a file that cannot be read, and for what is no key
 */
export async function authenticationFor(
  settings: TokenSettings,
  log: Pick<Logger, "info">,
): Promise<Authenticate | undefined> {
  const keys = keysOf(settings);
  if (keys.length === 0) return undefined;
  const { tokenAudience, tokenIssuer, tokenFrom } = settings;
  const { jwt } = await import("@zocalo/hub/jwt");
  const tell = teller(log);
  try {
    return jwt({
      keys,
      audience: tokenAudience,
      ...(tokenIssuer.length > 0 ? { issuer: tokenIssuer } : {}),
      ...(isPlace(tokenFrom) ? { tokenFrom } : {}),
      guests: guests(),
      onRefuse: tell,
    });
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    throw new UserError(`The settings of tokens cannot be: ${error.reason}.`, EXIT.usage);
  }
}

/** The secret that signs, if there is one. @throws UserError for a file that cannot be read */
export function secretOf({ tokenSecret, tokenSecretFile }: TokenSettings): string | undefined {
  if (tokenSecret !== "") return tokenSecret;
  return tokenSecretFile === "" ? undefined : contentOf("tokenSecretFile", tokenSecretFile);
}

function keysOf(settings: TokenSettings): readonly JwtKey[] {
  const { tokenSecret, tokenSecretFile, tokenKeyFile, tokenJwks } = settings;
  const keys: JwtKey[] = [];
  if (tokenSecret !== "") keys.push({ secret: tokenSecret });
  if (tokenSecretFile !== "") keys.push({ secret: contentOf("tokenSecretFile", tokenSecretFile) });
  if (tokenKeyFile !== "") keys.push({ publicKey: keyIn(contentOf("tokenKeyFile", tokenKeyFile)) });
  if (tokenJwks !== "") keys.push({ jwks: tokenJwks });
  return keys;
}

function keyIn(text: string): string | Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return text; // PEM
  }
}

function contentOf(setting: string, path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    throw new UserError(`${setting} ${path} cannot be read (${why}).`, EXIT.usage);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    // Read as text all the same, half of its bytes would be one and the same character.
    throw new UserError(`${setting} ${path} is no text in UTF-8, such as base64.`, EXIT.usage);
  }
}

function isPlace(text: string): text is `cookie:${string}` | `header:${string}` {
  return text !== "";
}

/** Strangers cause refusals: they do not fill a log. */
function teller(log: Pick<Logger, "info">): (refusal: JwtRefusal) => void {
  const seldom = new Map<JwtRefusalReason, Seldom>();
  return ({ reason, message }) => {
    const one = seldom.get(reason) ?? new Seldom();
    seldom.set(reason, one);
    one.tell((keptBack) => log.info({ reason, keptBack }, `refused a token: ${message}`));
  };
}
