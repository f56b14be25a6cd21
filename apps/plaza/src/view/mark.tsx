import { lookOf } from "../tint.ts";
import { WORDS } from "../words.ts";

interface MarkProps {
  readonly user: string;
  readonly mark: string | undefined;
}

/**
 * Stands beside a name that more than one user has. In the second colour of the tile: the first may be the
 * same.
 */
export function Mark({ user, mark }: MarkProps) {
  if (mark === undefined) return null;
  return (
    <span class="mark" data-tint={lookOf(user).second} title={WORDS.othersOfName(user)}>
      {mark}
    </span>
  );
}
