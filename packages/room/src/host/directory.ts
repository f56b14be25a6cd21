import type { Hub } from "@zocalo/hub";
import { AddressCounts, exemptSet, type Holder } from "@zocalo/net";
import type { Json } from "@zocalo/protocol";
import { ENDED, type EndedMessage, EVENT } from "../contracts/wire.ts";
import type { EndReason } from "../match/definition.ts";
import type { Participant } from "./participant.ts";
import type { RunningRoom } from "./running-room.ts";

/** A participant, and where they are. */
export interface Found {
  readonly room: RunningRoom;
  readonly participant: Participant;
}

/** Who has which place, by key and by session, and what they are told. */
export class Directory {
  readonly #hub: Pick<Hub, "send">;
  readonly #perAddress: AddressCounts;
  readonly #byKey = new Map<string, Found>();
  readonly #bySession = new Map<string, Found>();

  constructor(
    hub: Pick<Hub, "send">,
    maxPlacesPerAddress: number,
    exemptAddresses: readonly string[] | undefined,
  ) {
    this.#hub = hub;
    this.#perAddress = new AddressCounts(maxPlacesPerAddress, exemptSet(exemptAddresses));
  }

  byKey(keyHash: string): Found | undefined {
    return this.#byKey.get(keyHash);
  }

  bySession(session: string): Found | undefined {
    return this.#bySession.get(session);
  }

  /** A place is counted for an address; `undefined`: that would be more than it may have. */
  hold(host: string): Holder | undefined {
    return this.#perAddress.take(host);
  }

  /** A place that `hold` has counted was not given. */
  release(holder: Holder): void {
    this.#perAddress.release(holder);
  }

  /** Somebody has a place now. */
  add(room: RunningRoom, participant: Participant): void {
    this.#byKey.set(participant.keyHash, { room, participant });
  }

  /** A session has one place at a time, and a place one session: who had them before has them no more. */
  attach(session: string, found: Found): void {
    const { participant } = found;
    const other = this.#bySession.get(session);
    if (other !== undefined && other.participant !== participant)
      other.room.remove(other.participant, "left");
    if (participant.session !== "" && participant.session !== session) {
      this.send(participant, ENDED, { reason: "replaced" } satisfies EndedMessage);
      this.#bySession.delete(participant.session);
    }
    this.#bySession.set(session, found);
  }

  /** Says something to who has a place. @returns false if it was not taken, and may be later */
  send({ session }: Participant, topic: string, data: Json): boolean {
    if (session === "") return false;
    const { sent, tooLarge = 0 } = this.#hub.send({ session }, topic, data);
    // What its connection never carries would hold up all that comes after it.
    return sent + tooLarge > 0;
  }

  /** Says an event to who has a place, if they are there. @returns false if it was not taken */
  sendEvent(to: Participant, number: number, text: string): boolean {
    return (
      to.session !== "" &&
      this.send(to, EVENT, { log: to.outbox.log, number, data: JSON.parse(text) as Json })
    );
  }

  /** A place is gone. */
  ended(participant: Participant, reason: EndReason, text: string): void {
    const { holder, keyHash, session } = participant;
    if (holder !== undefined) this.#perAddress.release(holder);
    if (this.#byKey.get(keyHash)?.participant === participant) this.#byKey.delete(keyHash);
    if (this.#bySession.get(session)?.participant === participant) this.#bySession.delete(session);
    if (reason === "left") return;
    const told: EndedMessage & Json = text === "" ? { reason } : { reason, text };
    this.send(participant, ENDED, told);
  }
}
