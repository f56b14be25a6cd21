// `errors-elsewhere.ts JOB [ARGUMENT…]`: fails where the test's own process could not, as somebody else or on
// another network, and tells as one line of JSON how each attempt failed. Started by `errors.test.ts`.
import { createSocket } from "node:dgram";
import { dial, listen, listenPacket, NetError } from "@zocalo/net";

/** How one attempt ended. */
export interface Failure {
  readonly code: string;
  readonly op: string;
  readonly message: string;
  /** The `code` of the cause: what Node said. */
  readonly cause: unknown;
}

/** A user without rights, `nobody` on most systems. */
const NOBODY = 65534;
/** Addresses for documentation (RFC 5737): nobody has them. */
const ELSEWHERE = "198.51.100.1:9";

const jobs: Record<string, (args: readonly string[]) => Promise<(() => Promise<unknown>)[]>> = {
  /** A socket file of somebody else's, a directory of somebody else's, a port of the administrator's. */
  unprivileged: ([socketPath = "", directory = ""]) => {
    if (process.getuid?.() === 0) {
      process.setgroups?.([]);
      process.setgid?.(NOBODY);
      process.setuid?.(NOBODY);
    }
    return Promise.resolve([
      () => dial("unix", socketPath),
      () => listen("unix", `${directory}/mine.sock`),
      () => listen("tcp", "127.0.0.1:1"),
      () => listenPacket("udp", "127.0.0.1:1"),
    ]);
  },

  /** In a network of its own, whose name server is this very program; then without that too. */
  "own-network": async () => {
    const names = createSocket("udp4");
    names.on("message", (question, { port, address }) => {
      const answer = Buffer.from(question);
      answer[2] = 0x81; // an answer (RFC 1035 §4.1.1)
      answer[3] =
        0x80 | (question.includes("broken") ? SERVFAIL : question.includes("nothing") ? 0 : NXDOMAIN);
      answer.writeUInt16BE(0, 10); // no additional records
      names.send(answer, port, address);
    });
    await new Promise<void>((resolve) => names.bind(53, "127.0.0.1", resolve));
    return [
      () => dial("tcp", "nowhere.example:80"),
      () => dial("tcp", "nothing.example:80"),
      () => dial("tcp", "broken.example:80"),
      async () => {
        await new Promise<void>((resolve) => names.close(resolve));
        return dial("tcp", "nobody-answers.example:80");
      },
      () => dial("udp", "nobody-answers.example:80"),
      () => listen("tcp", "nobody-answers.example:80"),
      async () => (await listenPacket("udp", ":0")).send(Buffer.from("x"), "nobody-answers.example:80"),
      () => dial("tcp", ELSEWHERE),
      () => dial("udp", ELSEWHERE),
      async () => (await listenPacket("udp4", ":0")).send(Buffer.from("x"), ELSEWHERE),
    ];
  },
};

const SERVFAIL = 2;
const NXDOMAIN = 3;

async function failureOf(attempt: () => Promise<unknown>): Promise<Failure> {
  try {
    await attempt();
    return { code: "", op: "", message: "it did not fail", cause: undefined };
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    const { code, op, message, cause } = error;
    return { code, op, message, cause: cause instanceof Error ? Reflect.get(cause, "code") : undefined };
  }
}

const [job = "", ...args] = process.argv.slice(2);
const attempts = await jobs[job]?.(args);
const failures: Failure[] = [];
for (const attempt of attempts ?? []) failures.push(await failureOf(attempt));
console.log(JSON.stringify(failures));
process.exit();
