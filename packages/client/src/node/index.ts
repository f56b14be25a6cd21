/** What only Node can do for a session: a store in a file. */
export { fileStore } from "./file-store.ts";
