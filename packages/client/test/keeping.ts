import type { ConnectOptions, KeepOptions, LeftPublication } from "../src/index.ts";
import { begin } from "./begin.ts";
import type { FakeServer } from "./fake-server.ts";
import type { MemoryStore } from "./memory-store.ts";

export const name = "plaza:general";

/** A page with a store, and what it was told. */
export function page(
  store: MemoryStore,
  options: ConnectOptions = {},
  prepare?: (server: FakeServer) => void,
) {
  const left: LeftPublication[] = [];
  const told: string[] = [];
  const keep: KeepOptions = {
    store,
    left: (publication) => {
      left.push(publication);
      const { json } = publication;
      publication.published.then(
        ({ offset }) => told.push(`${json} is ${offset}`),
        (error: { code: string }) => told.push(`${json} ${error.code}`),
      );
    },
    notKept: (error) => told.push(`not kept: ${error.message}`),
  };
  const begun = begin({ token: "ana", keep, ...options }, prepare);
  return { ...begun, left, told, room: begun.session.channel<string>(name) };
}

/** A server for several pages. */
export function joined(server: FakeServer, store: MemoryStore, options: ConnectOptions = {}) {
  return page(store, { dial: server.dial, ...options });
}

/** What was published, in the order of the log. */
export const texts = (server: FakeServer) => server.log(name).publications.map(({ data }) => data);
