// Run with the name of a case: sets deadlines, says "done" when it has nothing more to do, and ends by itself
// if nothing keeps it.
import { type Conn, dial, listen, listenPacket, NetError, pipe } from "@zocalo/net";

const FAR_MS = 3_600_000;
const NEAR_MS = 20;
const full = Buffer.alloc(1_000_000);

const far = (): number => Date.now() + FAR_MS;

async function timesOut(waiting: Promise<unknown>): Promise<void> {
  const outcome = await waiting.then(
    () => "no timeout",
    (error: unknown) => (error instanceof NetError ? error.code : String(error)),
  );
  if (outcome !== "timeout") throw new Error(outcome);
}

async function swap(a: Conn, b: Conn): Promise<void> {
  for (const conn of [a, b]) conn.setDeadline(far());
  const reading = b.readFull(full.length);
  await a.write(full);
  await reading;
  await a.closeWrite();
  await b.read();
}

/** What leaves nothing behind that is waited for: the process ends at once. */
const idle: Record<string, () => Promise<void>> = {
  async "in memory, never used"() {
    for (const conn of pipe()) conn.setDeadline(far());
  },
  async "in memory, after reads and writes"() {
    await swap(...pipe());
  },
  async "in memory, after a canceled read and write"() {
    const [a] = pipe();
    a.setDeadline(far());
    const stop = new AbortController();
    const waiting = [a.read({ signal: stop.signal }), a.write(full, { signal: stop.signal })];
    stop.abort();
    await Promise.allSettled(waiting);
  },
  async "tcp, closed"() {
    const listener = await listen("tcp", "127.0.0.1:0");
    const [a, b] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
    await swap(a, b);
    await Promise.all([a.close(), b.close(), listener.close()]);
    a.setDeadline(far());
  },
  async "udp, closed"() {
    const packets = await listenPacket("udp", "127.0.0.1:0");
    packets.setDeadline(far());
    await packets.close();
    packets.setDeadline(far());
  },
};

/** What is waited for: the process stays for the deadline, with nothing else to keep it. */
const waiting: Record<string, () => Promise<void>> = {
  "a read in memory": async () => {
    const [a] = pipe();
    a.setReadDeadline(Date.now() + NEAR_MS);
    await timesOut(a.read());
  },
  "a read in memory, whose deadline is set later": async () => {
    const [a] = pipe();
    const reading = a.readFull(10);
    a.setReadDeadline(Date.now() + NEAR_MS);
    await timesOut(reading);
  },
  "the second of two reads in memory": async () => {
    const [a, b] = pipe();
    a.setReadDeadline(Date.now() + NEAR_MS);
    const first = a.read();
    const second = a.read();
    await b.write(Buffer.from("x"));
    await first;
    await timesOut(second);
  },
  "a write in memory": async () => {
    const [a] = pipe();
    a.setWriteDeadline(Date.now() + NEAR_MS);
    await timesOut(a.write(full));
  },
  "the end of the stream in memory": async () => {
    const [a] = pipe();
    a.setWriteDeadline(Date.now() + NEAR_MS);
    await Promise.all([timesOut(a.write(full)), timesOut(a.closeWrite())]);
  },
  "a handler in memory": async () => {
    const [a] = pipe();
    a.setReadDeadline(Date.now() + NEAR_MS);
    await timesOut(
      new Promise((resolve, reject) => {
        a.serve({ data: () => undefined, close: (error) => (error ? reject(error) : resolve(undefined)) });
      }),
    );
  },
  "a dial, whose resolver never answers": async () => {
    const resolver = () => new Promise<string[]>(() => undefined);
    await timesOut(dial("tcp", "example.org:80", { deadline: Date.now() + NEAR_MS, resolver }));
  },
};

export const IDLE_CASES = Object.keys(idle);
export const WAITING_CASES = Object.keys(waiting);

const [, , name] = process.argv;
const run = name === undefined ? undefined : (idle[name] ?? waiting[name]);
if (run !== undefined) {
  await run();
  process.stdout.write("done");
}
