import type { Command } from "@zocalo/protocol";

/** A command without bytes and without JSON text that is passed on, given its id. */
export function encode(command: Exclude<Command, { readonly type: "publish" }>): (id: number) => string {
  return (id) => JSON.stringify({ ...command, id });
}
