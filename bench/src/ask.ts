import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/**
 * Sends a message to a process that was forked, and waits for its answer.
 *
 * @throws Error when it ends instead of an answer; it has said why.
 */
export async function ask(worker: ChildProcess, question: object): Promise<unknown> {
  const done = new AbortController();
  const { signal } = done;
  const answered = Promise.race([
    once(worker, "message", { signal }).then(([answer]) => answer as unknown),
    once(worker, "exit", { signal }).then(([code]) => {
      throw new Error(`a worker ended with ${code}`);
    }),
  ]);
  worker.send(question);
  try {
    return await answered;
  } finally {
    done.abort(); // The other one of the two rejects, and nobody waits for it any more.
  }
}
