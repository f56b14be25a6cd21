export { TestCertificates, type TestIdentity } from "./certificates.ts";
export { command, describeFailure } from "./command.ts";
export {
  FAR_READINGS,
  FAR_WRITINGS,
  FarEnd,
  type FarEnding,
  type FarReading,
  type FarWriting,
} from "./far-end.ts";
export { codeOf, IntegrityFailure, must } from "./failure.ts";
export {
  type Call,
  DISPOSE,
  ITERATE,
  type Kind,
  type Subject,
  testForgotten,
} from "./forgotten.ts";
export type { ContractConn, MessagePair, MessageTraits, PairOptions } from "./contract-subject.ts";
export { testMessageContract } from "./message-contract.ts";
export { Kept, type Keeping, KEEPINGS, mustBe } from "./kept.ts";
export { type StreamEnd, StreamLedger } from "./ledger.ts";
export { endlessRefused, type IsLegal, LEGAL, LEGAL_TLS, oddValuesTaken } from "./odd-values.ts";
export { Decks, drawSize, Random } from "./random.ts";
export {
  type CaseBase,
  type CaseContext,
  type FoundFailure,
  nap,
  runCase,
  runCases,
  type RunOptions,
  type RunResult,
  type Scenario,
} from "./run.ts";
export { canSlowLinks, type SlowLinkCase, type SlowLinkOptions, slowLinkScenario } from "./slow-link.ts";
export {
  agreement,
  BLOCK_BYTES,
  CALLER_POISON,
  describeBytes,
  identify,
  LIBRARY_POISON,
  OWNER_POISON,
  stamp,
  stamped,
  type Stamp,
} from "./stamp.ts";
export { takeRounds } from "./take-rounds.ts";
export { type Mixed, unmix } from "./unmix.ts";
export {
  MessageLedger,
  type MessagePort,
  MessageReceiver,
  type MessageSource,
  payloadOf,
  planMessages,
  type Planned,
  type PlanOptions,
  RECEIVE_STYLES,
  type ReceiveStyle,
  SEND_STYLES,
  sendAll,
  type SendStyle,
  wireBytesOf,
} from "./messages.ts";
