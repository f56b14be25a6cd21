import type { NamespaceOptions } from "@zocalo/hub";
import { LIMITS } from "@zocalo/protocol";
import { z } from "zod";
import type { Setting } from "./setting.ts";

/**
 * What a configuration file can say of a namespace: all a program can, but for permissions that are
 * functions. `"users"` are those who bring a token.
 */
export type ConfiguredNamespace = Omit<NamespaceOptions, "subscribe" | "publish" | "cast"> & {
  readonly subscribe?: Who;
  readonly publish?: Who;
  readonly cast?: Who;
};

type Who = "nobody" | "users" | "anyone";

/** A namespace by its name. */
export type ConfiguredNamespaces = Readonly<Record<string, ConfiguredNamespace>>;

const who = z.enum(["nobody", "users", "anyone"]);
const count = z.int().min(0);

/** An object with no other keys than these; a wrong one is told which there are. */
function only<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const error: z.core.$ZodErrorMap = (issue) =>
    issue.code === "unrecognized_keys"
      ? `unknown: ${issue.keys.join(", ")}; allowed: ${Object.keys(shape).join(", ")}`
      : undefined;
  return z.strictObject(shape, { error });
}

const namespace = only({
  history: z.exactOptional(
    only({
      publications: z.exactOptional(count),
      bytes: z.exactOptional(count),
      ttlMs: z.exactOptional(z.int().min(1)),
    }),
  ),
  presence: z.exactOptional(z.boolean()),
  subscribe: z.exactOptional(who),
  publish: z.exactOptional(who),
  cast: z.exactOptional(who),
  senders: z.exactOptional(z.boolean()),
  data: z.exactOptional(z.enum(["json", "bytes"])),
  maxDataLength: z.exactOptional(z.int().min(1).max(LIMITS.largestDataLength)),
  keyMs: z.exactOptional(count),
});

/** Makes the setting that lists the namespaces. */
export function namespaces(value: ConfiguredNamespaces, what: string): Setting<ConfiguredNamespaces> {
  return {
    what,
    allowed: "an object that has an object for each namespace, see below",
    default: value,
    schema: z.record(
      z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "a name has letters, digits, _ and -"),
      namespace,
    ),
    // Too much for a command line: it stands in the file.
    fromText: (text) => text,
  };
}
