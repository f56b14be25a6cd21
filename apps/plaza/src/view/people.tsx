import { useEffect, useRef } from "preact/hooks";
import type { Person } from "../link.ts";
import type { Square } from "../square.ts";
import { lookOf } from "../tint.ts";
import { WORDS } from "../words.ts";
import { Icon } from "./icon.tsx";
import { Mark } from "./mark.tsx";
import { Tile } from "./tile.tsx";

/** More people than this are counted, not listed. */
const LISTED = 200;

interface PeopleProps {
  readonly square: Square;
  readonly isInert: boolean;
  readonly isDrawerOpen: boolean;
  readonly onClose: () => void;
}

/** The side with who is in the room. */
export function People({ square, isInert, isDrawerOpen, onClose }: PeopleProps) {
  const side = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isDrawerOpen) side.current?.querySelector("button")?.focus();
  }, [isDrawerOpen]);
  const me = square.me?.user;
  const room = square.room.value;
  const people = inOrder(room.people.value, me);
  const total = room.total.value;
  const markOf = room.markOf.value;

  return (
    <aside class="side people" ref={side} inert={isInert} aria-labelledby="people-title">
      <div class="side-head">
        <h2 class="side-title" id="people-title">
          {WORDS.hereNow} <span class="count">{total}</span>
        </h2>
        <button type="button" class="bare only-not-wide" aria-label={WORDS.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <ul data-testid="people-list">
        {people.slice(0, LISTED).map(({ user, name }) => (
          <li key={user} class="person" data-user={user} title={user}>
            <Tile user={user} />
            <bdi class="person-name" data-tint={lookOf(user).tint}>
              {name}
            </bdi>
            <Mark user={user} mark={markOf(user, name)} />
            {user === me && <span class="you">{WORDS.you}</span>}
          </li>
        ))}
      </ul>
      {total > LISTED && <p class="hush">{WORDS.andMore(total - LISTED)}</p>}
    </aside>
  );
}

function inOrder(people: readonly Person[], me: string | undefined): readonly Person[] {
  return people.toSorted(
    (a, b) => Number(b.user === me) - Number(a.user === me) || a.name.localeCompare(b.name),
  );
}
