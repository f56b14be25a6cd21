// A page: the client and the protocol, where there is no Node and none of its types.
import { connect, GapError, type PresentUser, type SessionState } from "@zocalo/client";
import { CLOSE, LIMITS } from "@zocalo/protocol";

const session = connect(new URL("/ws", location.href).href, { info: { name: "Ana" } });
session.onState((state: SessionState) => document.body.setAttribute("data-state", state.name));

export const room = session.channel<{ readonly text: string }>("plaza:general");
export const numbers: readonly number[] = [LIMITS.dataLength, CLOSE.goingAway];

/** Shows what comes, until something is lost. */
export async function show(): Promise<readonly PresentUser[]> {
  const publications = room.subscribe({ last: 50, presence: true });
  try {
    for await (const { data, offset } of publications) document.title = `${offset}: ${data.text}`;
  } catch (error: unknown) {
    if (error instanceof GapError) document.title = error.message;
  }
  return publications.users;
}
