import { createHmac } from "node:crypto";
import type { Command } from "commander";
import { authenticationFor, secretOf } from "./authentication.ts";
import { EXIT, UserError } from "./exit-code.ts";
import { readSettings, type SettingSources } from "./read-settings.ts";

/** What a token is to say. */
export interface TokenOptions {
  readonly user: string;
  /** `90s`, `15m`, `1h` or `7d`. */
  readonly expires: string;
  /** JSON text of an object. */
  readonly info?: string | undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Longest user name, as the hub has it. */
const MOST_USER_LENGTH = 128;

/** Adds `zocalo token`. */
export function addTokenCommand(program: Command): void {
  program
    .command("token")
    .description("make a token for trying, signed with the secret of the settings of `zocalo serve`")
    .requiredOption("--user <NAME>", "who has it")
    .option("--expires <TIME>", "when it is over: 90s, 15m, 1h, 7d", "1h")
    .option("--info <JSON>", "an object that others are shown beside the user")
    .option("--config <FILE>", "read settings from this file [ZOCALO_CONFIG]")
    .action(async ({ config, ...options }: TokenOptions & { readonly config?: string }) => {
      const directory = process.cwd();
      const sources = { flags: {}, configPath: config, environment: process.env, directory };
      process.stdout.write(`${await makeToken(sources, options, Date.now())}\n`);
    });
}

/**
 * Makes a token.
 *
 * @param nowMs milliseconds since the Unix epoch
 * @throws UserError for settings without a secret, and for what a token cannot say
 */
export async function makeToken(
  sources: SettingSources,
  options: TokenOptions,
  nowMs: number,
): Promise<string> {
  const settings = readSettings(sources);
  await authenticationFor(settings, { info: () => {} }); // says what is wrong with the keys
  const secret = secretOf(settings);
  if (secret === undefined) {
    const help = "set ZOCALO_TOKEN_SECRET, or tokenSecret or tokenSecretFile in the file";
    throw new UserError(`A token is signed with a secret, and the settings have none: ${help}.`, EXIT.usage);
  }
  const [issuer] = settings.tokenIssuer;
  const iat = Math.floor(nowMs / 1_000);
  const claims = {
    sub: checkedUser(options.user),
    ...(issuer === undefined ? {} : { iss: issuer }),
    aud: settings.tokenAudience[0],
    iat,
    exp: iat + Math.ceil(durationOf(options.expires) / 1_000),
    ...(options.info === undefined ? {} : { info: infoOf(options.info) }),
  };
  const said = [{ alg: "HS256", typ: "JWT" }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const bytes = said.join(".");
  return `${bytes}.${createHmac("sha256", secret).update(bytes).digest("base64url")}`;
}

function checkedUser(user: string): string {
  if (user === "" || user.length > MOST_USER_LENGTH)
    throw new UserError(`A user has 1 to ${MOST_USER_LENGTH} characters.`, EXIT.usage);
  if (user === "server" || user.startsWith("guest-"))
    throw new UserError("A user is not called server or guest-…: others are.", EXIT.usage);
  return user;
}

function durationOf(text: string): number {
  const [, count, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS_MS[unit] ?? Number.NaN);
  if (Number.isFinite(ms)) return ms;
  throw new UserError(`--expires is ${JSON.stringify(text)}; allowed: 90s, 15m, 1h, 7d.`, EXIT.usage);
}

function infoOf(text: string): unknown {
  try {
    const info: unknown = JSON.parse(text);
    if (typeof info === "object" && info !== null && !Array.isArray(info)) return info;
  } catch {
    // Said below.
  }
  throw new UserError('--info is a JSON object, such as {"name":"Ana"}.', EXIT.usage);
}
