// What tests of `Inbox` share: one whose source writes down what it is told, and two ways to end.
import { Inbox } from "../src/flow/inbox.ts";
import type { InboxLimits } from "../src/flow/inbox-queue.ts";
import type { CloseInfo } from "../src/contracts/message-conn.ts";

export const clean: CloseInfo = { code: 1000, reason: "", wasClean: true };
export const broken: CloseInfo = { code: 1006, reason: "connection reset", wasClean: false };

export function open(limits?: InboxLimits) {
  const calls: string[] = [];
  const failures: unknown[] = [];
  const inbox = new Inbox(
    {
      pause: () => void calls.push("pause"),
      resume: () => void calls.push("resume"),
      fail: (error) => void failures.push(error),
    },
    limits,
  );
  return { inbox, calls, failures };
}
