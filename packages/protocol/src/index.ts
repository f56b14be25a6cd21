export * from "./base64.ts";
export * from "./binary.ts";
export * from "./codec.ts";
export * from "./command.ts";
export * from "./error.ts";
export * from "./json.ts";
export type { JsonMembers, JsonPart, JsonText } from "./json-members.ts";
export * from "./limits.ts";
export type * from "./message.ts";
