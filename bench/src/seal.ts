import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { alternate, median } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";

export const title = "Sealing datagrams: CPU to seal and to open one, by cipher";

/** What a lane uses is the first; the others were compared with it (decision 0023). */
const CIPHERS = [
  { name: "AES-256-GCM", algorithm: "aes-256-gcm", keyBytes: 32, hasData: false },
  { name: "AES-256-GCM, header as further data", algorithm: "aes-256-gcm", keyBytes: 32, hasData: true },
  { name: "AES-128-GCM", algorithm: "aes-128-gcm", keyBytes: 16, hasData: false },
  { name: "ChaCha20-Poly1305", algorithm: "chacha20-poly1305", keyBytes: 32, hasData: false },
] as const;

const SIZES = [64, 1_150] as const;
const TAG_BYTES = 16;
const HEADER_BYTES = 12;

type Cipher = (typeof CIPHERS)[number];

/**
 * Measures and prints, and writes `bench/results/seal.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = isQuick ? 2_000 : 20_000;
  const values: Record<string, Record<string, number>> = {};
  const columns: string[] = [];
  for (const size of SIZES) {
    const columnOf = (what: string): string => `${what} ${size} B`;
    columns.push(columnOf("seal"), columnOf("open"));
    const found = await alternate(
      Object.fromEntries(
        CIPHERS.flatMap((cipher) => {
          const seal = sealer(cipher, randomBytes(size));
          const open = opener(cipher, seal.key, seal.once());
          return [
            [`${cipher.name}|seal`, () => Promise.resolve(cpuPerCall(() => void seal.once(), count))],
            [`${cipher.name}|open`, () => Promise.resolve(cpuPerCall(open, count))],
          ];
        }),
      ),
      isQuick ? 3 : 9,
    );
    for (const [key, figures] of Object.entries(found)) {
      const [name = "", what = ""] = key.split("|");
      (values[name] ??= {})[columnOf(what)] = median(figures);
    }
  }
  const results: Results = {
    title: "Sealed datagrams",
    unit: "µs of CPU per datagram",
    isLessBetter: true,
    columns,
    rows: CIPHERS.map(({ name }) => ({ name, values: values[name] ?? {} })),
  };
  if (isQuick) console.log(`\n${ratioTable(results)}`);
  else writeResults("seal", results);
}

function cpuPerCall(call: () => void, count: number): number {
  const before = process.cpuUsage();
  for (let done = 0; done < count; done++) call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** What a lane does to send, but for the socket. */
function sealer(
  { algorithm, keyBytes, hasData }: Cipher,
  bytes: Buffer,
): { key: KeyObject; once: () => Buffer } {
  const key = createSecretKey(randomBytes(keyBytes));
  const nonce = Buffer.alloc(12);
  const datagram = Buffer.alloc(HEADER_BYTES + bytes.length + TAG_BYTES);
  let counter = 0;
  const once = (): Buffer => {
    nonce.writeUInt32BE(counter++, 8);
    datagram.writeUInt32BE(counter - 1, 8);
    // ChaCha20-Poly1305 has the same functions, and a type of its own.
    const cipher = createCipheriv(algorithm as "aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    if (hasData) cipher.setAAD(datagram.subarray(0, HEADER_BYTES));
    datagram.set(cipher.update(bytes), HEADER_BYTES);
    cipher.final();
    datagram.set(cipher.getAuthTag(), datagram.length - TAG_BYTES);
    return datagram;
  };
  return { key, once };
}

/** What it does to receive. */
function opener({ algorithm, hasData }: Cipher, key: KeyObject, sealed: Buffer): () => void {
  const datagram = Buffer.from(sealed);
  const nonce = Buffer.alloc(12);
  return () => {
    nonce.writeUInt32BE(datagram.readUInt32BE(8), 8);
    const cipher = createDecipheriv(algorithm as "aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    if (hasData) cipher.setAAD(datagram.subarray(0, HEADER_BYTES));
    cipher.setAuthTag(datagram.subarray(datagram.length - TAG_BYTES));
    cipher.update(datagram.subarray(HEADER_BYTES, datagram.length - TAG_BYTES));
    cipher.final();
  };
}
