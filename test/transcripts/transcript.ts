// The form of a transcript: what passed between some clients and a server, byte by byte, one message a line.
import { readFileSync } from "node:fs";

/** How the clients of a transcript are connected; `binary`: by a TCP stream in the binary form. */
export type Transport = "websocket" | "tcp" | "binary" | "udp";

/**
 * What happened at one client: it sent a message or received one, each with its framing; or one side ended
 * the connection.
 */
export type Step =
  | { readonly client: string; readonly did: "sent" | "received"; readonly bytes: Buffer }
  | { readonly client: string; readonly did: "ended" | "was ended" };

/** A transcript, as its file says it. */
export interface Transcript {
  readonly release: string;
  readonly transport: Transport;
  /** What the server was set up with. */
  readonly namespaces: Record<string, object>;
  readonly steps: readonly Step[];
}

const SIGNS = { sent: ">", received: "<", ended: ">|", "was ended": "<|" } as const;
const DEEDS = new Map(Object.entries(SIGNS).map(([did, sign]) => [sign, did as Step["did"]]));

/** A transcript as text. */
export function printTranscript({ steps, ...head }: Transcript): string {
  const lines = steps.map((step) => {
    const start = `${step.client} ${SIGNS[step.did]}`;
    return "bytes" in step ? `${start} ${escaped(step.bytes)}` : start;
  });
  return [JSON.stringify(head), ...lines, ""].join("\n");
}

/** Reads a transcript. @throws SyntaxError with the line that is none */
export function readTranscript(file: string | URL): Transcript {
  const [head = "", ...lines] = readFileSync(file, "latin1").replace(/\n$/, "").split("\n");
  const steps = lines.map((line): Step => {
    const [, client = "", sign = "", text = ""] = /^(\w+) ([<>]\|?)(?: (.*))?$/.exec(line) ?? [];
    const did = DEEDS.get(sign as ">");
    if (did === undefined) throw new SyntaxError(`no step of a transcript: ${line}`);
    if (did === "sent" || did === "received") return { client, did, bytes: unescaped(text) };
    return { client, did };
  });
  return { ...(JSON.parse(head) as Omit<Transcript, "steps">), steps };
}

/** Printable ASCII is itself, but for the backslash. */
function escaped(bytes: Buffer): string {
  return bytes.toString("latin1").replaceAll(/[^ -[\]-~]/g, (one) => {
    if (one === "\\") return "\\\\";
    if (one === "\n") return "\\n";
    if (one === "\r") return "\\r";
    return `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

function unescaped(text: string): Buffer {
  const plain = text.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, name: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return name === "n" ? "\n" : name === "r" ? "\r" : name;
  });
  return Buffer.from(plain, "latin1");
}
