import { connect, type ConnectOptions, type SessionState } from "../src/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeServer } from "./fake-server.ts";

/** A session with a server in memory, a clock that stands still, and waits of half their bound. */
export function begin(options: ConnectOptions = {}, prepare: (server: FakeServer) => void = () => {}) {
  const server = new FakeServer();
  prepare(server);
  const clock = new FakeClock();
  const session = connect("fake:", { dial: server.dial, clock, random: () => 0.5, ...options });
  const states: SessionState[] = [];
  session.onState((state) => states.push(state));
  return { server, clock, session, states, names: () => states.map(({ name }) => name) };
}

/** Cuts the connection and waits until the session is back. */
export async function cutAndReturn(server: FakeServer, clock: FakeClock): Promise<void> {
  server.conn.cut();
  await clock.advance(20_000);
}

/** Its code if it is refused, or `"resolved"`. */
export const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: { code?: string; name: string }) => error.code ?? error.name,
  );
