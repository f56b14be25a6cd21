// Devices send measurements by UDP; whoever asks by TCP gets the table of them.
//
//   npx tsx --conditions=zocalo-source examples/src/udp-telemetry.ts [UDP-ADDRESS] [TCP-ADDRESS]
//   echo '{"device":"oven","number":1,"value":180}' | nc -u -w1 127.0.0.1 7003
//   nc 127.0.0.1 7003
import { type Conn, listen, listenPacket } from "@zocalo/net";

const GRACE_MS = 2_000;
const MAX_DEVICES = 10_000;

interface Measurement {
  readonly device: string;
  /** Counts the device's datagrams: a gap is what the network lost. */
  readonly number: number;
  readonly value: number;
}

interface Row {
  received: number;
  missing: number;
  last: Measurement;
}

const [udpAddress = "127.0.0.1:7003", tcpAddress = "127.0.0.1:7003"] = process.argv.slice(2);
const table = new Map<string, Row>();
let malformed = 0;

const packets = await listenPacket("udp", udpAddress);
const reports = await listen("tcp", tcpAddress, { maxConnections: 100 });
console.log(`measurements on ${String(packets.localAddr)}`);
console.log(`listening on ${String(reports.addr)}`);

packets.serve({
  message({ bytes, addr }) {
    const measurement = parse(String(bytes));
    if (measurement === undefined) {
      malformed++;
      return;
    }
    note(measurement);
    // Shorter than any measurement. Anybody can forge the address a datagram comes from, so an answer must
    // never be longer than its question. `trySend`: who cannot be reached must not hold up the others. A
    // device sends again what nobody confirmed.
    packets.trySend(`ok ${measurement.number}`, addr);
  },
});

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end());

for await (const conn of reports) {
  report(conn).catch((error: Error) => console.error(error.message));
}

/** Whatever arrives may be from a stranger. */
function parse(text: string): Measurement | undefined {
  try {
    const { device, number, value } = JSON.parse(text) as Record<string, unknown>;
    const isRight =
      typeof device === "string" &&
      device.length <= 100 &&
      Number.isSafeInteger(number) &&
      Number.isFinite(value);
    return isRight ? { device, number: number as number, value: value as number } : undefined;
  } catch {
    return undefined; // It is counted as malformed.
  }
}

function note(measurement: Measurement): void {
  const { device, number } = measurement;
  const row = table.get(device);
  if (row === undefined) {
    // Made-up devices do not fill the memory: the one that was heard longest ago makes room.
    const [oldest] = table.keys();
    if (table.size >= MAX_DEVICES && oldest !== undefined) table.delete(oldest);
    table.set(device, { received: 1, missing: 0, last: measurement });
    return;
  }
  table.delete(device);
  table.set(device, row); // Now it is the one heard last.
  if (number === row.last.number) return; // Sent again, as our answer was lost.
  row.received++;
  if (number < row.last.number) {
    row.missing = Math.max(row.missing - 1, 0); // Overtaken by others on the way: it is not missing any more.
    return;
  }
  row.missing += number - row.last.number - 1;
  row.last = measurement;
}

async function report(conn: Conn): Promise<void> {
  await using _ = conn;
  const rows = [...table.values()].map(({ received, missing, last }) => ({ ...last, received, missing }));
  const text = [...rows, { malformed, dropped: packets.dropped }].map((row) => `${JSON.stringify(row)}\n`);
  await conn.write(Buffer.from(text.join("")));
}

async function end(): Promise<void> {
  await packets.close();
  await reports.drain(Date.now() + GRACE_MS);
}
