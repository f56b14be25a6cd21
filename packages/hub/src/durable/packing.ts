import type { Committed, NewPublication, Retention } from "../engine/engine.ts";
import type { Answer, Batch, Outcome, PackedBatch, PackedOutcome, Request } from "./messages.ts";

// Hot path (`npm run bench -- durable`): each message between the threads is copied. An object for each
// publication and each answer costs three times what their fields cost in one array.

/** They begin with a text, as do `CommittedFields`: no other request or answer is one. */
type PublishFields = readonly [
  channel: string,
  user: string,
  info: string | undefined,
  data: NewPublication["data"],
  key: string | undefined,
  address: string | undefined,
  retention: Retention,
];
const PUBLISH_FIELDS = 7;
type CommittedFields = readonly [epoch: string, offset: number, at: number, duplicate: boolean];
const COMMITTED_FIELDS = 4;

export function packBatch({ now, requests }: Batch): PackedBatch {
  const fields: unknown[] = [];
  for (const request of requests) {
    if (request.kind === "publish") {
      const { channel, publication, retention } = request;
      const { user, info, data, key, address } = publication;
      fields.push(channel, user, info, data, key, address, retention);
    } else fields.push(request);
  }
  return { now, fields };
}

export function unpackBatch({ now, fields }: PackedBatch): Batch {
  const requests: Request[] = [];
  for (let index = 0; index < fields.length; ) {
    if (typeof fields[index] === "string") {
      const own = fields.slice(index, (index += PUBLISH_FIELDS)) as unknown as PublishFields;
      const [channel, user, info, data, key, address, retention] = own;
      requests.push({ kind: "publish", channel, publication: { user, info, data, key, address }, retention });
    } else requests.push(fields[index++] as Request);
  }
  return { now, requests };
}

export function packOutcome({ answers, ...others }: Outcome): PackedOutcome {
  const fields: unknown[] = [];
  for (const answer of answers) {
    if (answer.kind === "committed") {
      const { epoch, offset, at, duplicate } = answer.committed;
      fields.push(epoch, offset, at, duplicate);
    } else fields.push(answer);
  }
  return { ...others, fields };
}

export function unpackOutcome({ fields, ...others }: PackedOutcome): Outcome {
  const answers: Answer[] = [];
  for (let index = 0; index < fields.length; ) {
    if (typeof fields[index] === "string") {
      const own = fields.slice(index, (index += COMMITTED_FIELDS)) as unknown as CommittedFields;
      const [epoch, offset, at, duplicate] = own;
      const committed: Committed = { epoch, offset, at, duplicate };
      answers.push({ kind: "committed", committed });
    } else answers.push(fields[index++] as Answer);
  }
  return { ...others, answers };
}
