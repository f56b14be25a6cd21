import { isJsonObject, type Json } from "@zocalo/protocol";
import { RoomError, shown } from "../contracts/errors.ts";
import type { SavedSeating } from "./seating.ts";

/** Of what is kept beside a match. Count it up with each change of `SavedRoom` and of what it has. */
const FORM = 3;

/** What is kept of a room beside its match. A type and no interface, so that TypeScript knows it as JSON. */
export type SavedRoom = SavedSeating & {
  readonly form: typeof FORM;
  /** A recording was at work. */
  readonly records: boolean;
  /** It was handed over: nothing has happened since. */
  readonly isWhole: boolean;
  /** When it was kept, in milliseconds since the Unix epoch. */
  readonly at: number;
};

/** What goes into the checkpoint of a room, beside its match. */
export function savedRoom(room: Omit<SavedRoom, "form">): SavedRoom & Json {
  return { form: FORM, ...room };
}

/**
 * Reads what `savedRoom` gave. It is believed, as the checkpoint is: it comes from the server's own store.
 *
 * @throws RoomError `invalid_value` for what another version of this package has kept
 */
export function readSavedRoom(saved: Json): SavedRoom {
  const form = isJsonObject(saved) ? saved["form"] : undefined;
  if (form === FORM) return saved as SavedRoom;
  throw new RoomError("invalid_value", `the form of a kept room is ${shown(form)}; allowed: ${FORM}`);
}
