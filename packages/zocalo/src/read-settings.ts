import { printable } from "@zocalo/net";
import { didYouMean } from "./closest.ts";
import { type ConfigFile, CONFIG_FILE_NAME, readConfigFile } from "./config-file.ts";
import { EXIT, UserError } from "./exit-code.ts";
import { flagOf, SETTING_NAMES, type SettingName, type Settings, SETTINGS, variableOf } from "./settings.ts";
import type { Setting } from "./setting.ts";

/** The prefix of all variables; one that begins so and is not known is an error. */
const PREFIX = "ZOCALO_";
/**
 * What the packages below look at themselves: each switches one way off that goes past Node's documentation,
 * or helps to find faults. A test reads their source and finds none that is missing here.
 */
const OF_THE_SOCKETS: ReadonlySet<string> = new Set([
  "ZOCALO_NO_DIRECT_SEND",
  "ZOCALO_NO_INCOMING_MESSAGE",
  "ZOCALO_NO_OWN_UPGRADES",
  "ZOCALO_NO_READ_BUFFER",
  "ZOCALO_NO_SYNC_ZLIB",
  "ZOCALO_NO_WRITE_PAST_QUEUE",
  "ZOCALO_POISON",
]);
/** Names the configuration file, as `--config` does. */
const CONFIG_VARIABLE = "ZOCALO_CONFIG";
/** How much of a wrong value a message shows, in characters. */
const MAX_SHOWN_LENGTH = 100;

/** The ways in. */
const DOORS = ["httpPort", "tcpPort", "udpPort"] as const;

/** Where settings come from, strongest first. */
export interface SettingSources {
  /** Texts of the flags that were given, by name of the setting. */
  readonly flags: Readonly<Partial<Record<SettingName, string>>>;
  /** The file named by `--config`, if it was. */
  readonly configPath?: string | undefined;
  /** The environment; only variables that begin with `ZOCALO_` are looked at. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a relative path and an unnamed zocalo.config.json are looked for. */
  readonly directory: string;
}

/**
 * Settles every setting: flag, else environment variable, else configuration file, else default. Each value
 * that was given is checked, even one that a stronger source overrides.
 *
 * @throws UserError (exit code 2) with one line for each fault: the key, where it comes from, the value, what
 *   is allowed.
 */
export function readSettings(sources: SettingSources): Settings {
  const faults: string[] = [];
  const given = new Map<SettingName, unknown>();
  const take = (name: SettingName, value: unknown, source: string) => {
    const found = faultsOf(name, value, source);
    if (found.length === 0) given.set(name, value);
    faults.push(...found);
  };

  const file = findConfigFile(sources);
  for (const [key, value] of Object.entries(file?.values ?? {})) {
    if (isSettingName(key)) take(key, value, `in ${file?.path}`);
    else faults.push(`${key} in ${file?.path} is not a setting.${didYouMean(key, SETTING_NAMES)}`);
  }

  const variables = new Map(SETTING_NAMES.filter(hasText).map((name) => [variableOf(name), name]));
  for (const [variable, text] of Object.entries(sources.environment)) {
    if (!variable.startsWith(PREFIX) || variable === CONFIG_VARIABLE || text === undefined) continue;
    if (OF_THE_SOCKETS.has(variable)) continue;
    const name = variables.get(variable);
    if (name !== undefined)
      take(name, SETTINGS[name].fromText(text), `from the environment variable ${variable}`);
    else {
      const known = [...variables.keys(), CONFIG_VARIABLE, ...OF_THE_SOCKETS];
      faults.push(`The environment variable ${variable} is not a setting.${didYouMean(variable, known)}`);
    }
  }

  for (const name of SETTING_NAMES) {
    const text = sources.flags[name];
    if (text !== undefined) take(name, SETTINGS[name].fromText(text), `from the flag ${flagOf(name)}`);
  }

  if (faults.length > 0) {
    const lines = faults.map((fault) => printable(fault)); // Each stays one line, whatever stands in a file.
    throw new UserError(lines.join("\n"), EXIT.usage);
  }
  const settled = SETTING_NAMES.map((name) => [
    name,
    given.has(name) ? given.get(name) : SETTINGS[name].default,
  ]);
  // Each value has passed its own schema, or is its own default.
  const settings = Object.fromEntries(settled) as Settings;
  if (DOORS.every((name) => settings[name] === "off")) {
    throw new UserError(`${DOORS.join(", ")} are all off; at least one door must be open.`, EXIT.usage);
  }
  const fault = tokenFault(settings);
  if (fault !== undefined) throw new UserError(fault, EXIT.usage);
  return settings;
}

/** What is said of users and tokens belongs together. */
function tokenFault(settings: Settings): string | undefined {
  const { namespaces, tokenAudience, tokenIssuer, tokenFrom, allowedOrigins } = settings;
  const keys = ["tokenSecret", "tokenSecretFile", "tokenKeyFile", "tokenJwks"] as const;
  if (keys.some((name) => settings[name] !== "")) {
    if (tokenAudience.length === 0) return "tokenAudience is missing: for whom tokens have to be.";
    if (!/^(?:cookie:|header:cookie$)/i.test(tokenFrom) || !allowedOrigins.includes("*")) return undefined;
    return "tokenFrom is a cookie, which browsers send for any page, and allowedOrigins lets in every page: name those that may act for a user.";
  }
  const one = `one of ${keys.join(", ")}`;
  if (tokenAudience.length > 0 || tokenIssuer.length > 0 || tokenFrom !== "")
    return `tokenAudience, tokenIssuer and tokenFrom are about tokens: set ${one}, too.`;
  for (const [name, namespace] of Object.entries(namespaces)) {
    for (const what of ["subscribe", "publish", "cast"] as const) {
      if (namespace[what] !== "users") continue;
      return `namespaces.${name}.${what} is "users", and without tokens there are none: set ${one}.`;
    }
  }
  return undefined;
}

function findConfigFile(sources: SettingSources): ConfigFile | undefined {
  const named = sources.configPath ?? sources.environment[CONFIG_VARIABLE];
  return readConfigFile(sources.directory, named ?? CONFIG_FILE_NAME, named !== undefined);
}

function faultsOf(name: SettingName, value: unknown, source: string): string[] {
  const setting: Setting = SETTINGS[name];
  const issues = setting.schema.safeParse(value).error?.issues ?? [];
  const faults = issues.map((issue) => {
    const { path } = issue;
    // What is wrong with a key is said one level down.
    const message = (issue.code === "invalid_key" && issue.issues[0]?.message) || issue.message;
    // Inside of a nested setting the name alone would not tell which part is wrong.
    if (typeof path[0] !== "string") {
      // A text in the file, which would do elsewhere.
      const isNoArray = Array.isArray(setting.default) && !Array.isArray(value);
      const allowed = isNoArray ? `an array of ${setting.allowed}` : setting.allowed;
      return `${name} ${source} is ${setting.isSecret === true ? "not shown" : shown(value)}; allowed: ${allowed}.`;
    }
    return `${[name, ...path].join(".")} ${source} is ${shown(valueAt(value, path))}: ${message}.`;
  });
  return [...new Set(faults)];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? "missing";
  return json.length > MAX_SHOWN_LENGTH ? `${json.slice(0, MAX_SHOWN_LENGTH)}…` : json;
}

function hasText(name: SettingName): boolean {
  const setting: Setting = SETTINGS[name];
  return setting.placeholder !== undefined;
}

function isSettingName(key: string): key is SettingName {
  return Object.hasOwn(SETTINGS, key);
}
