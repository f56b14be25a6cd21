export type * from "./addr.ts";
export type * from "./conn.ts";
export * from "./error.ts";
export * from "./message-conn.ts";
