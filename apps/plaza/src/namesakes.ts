/** A user under a name they have gone by. */
export interface Named {
  readonly user: string;
  readonly name: string;
}

/**
 * What to show beside a name so that nobody is taken for another: the end of the user's id, or nothing if
 * nobody else has that name.
 */
export type MarkOf = (user: string, name: string) => string | undefined;

/** The shortest mark, in characters. It is longer where two ids end in the same way. */
const MARK_LENGTH = 4;

/**
 * Finds the users who share a name.
 *
 * @param people Everybody who can be seen, as often as they are and under each name they are seen with.
 */
export function namesakes(people: Iterable<Named>): MarkOf {
  const usersOf = new Map<string, Set<string>>();
  for (const { user, name } of people) {
    const key = looksLike(name);
    const users = usersOf.get(key);
    if (users === undefined) usersOf.set(key, new Set([user]));
    else users.add(user);
  }
  const lengths = new Map<string, number>();
  for (const [key, users] of usersOf) if (users.size > 1) lengths.set(key, markLength(users));
  return (user, name) => {
    const length = lengths.get(looksLike(name));
    // Who goes by their id has said all there is to say.
    return length === undefined || name === user ? undefined : user.slice(-length);
  };
}

/**
 * The same for names that a reader would not tell apart: letters of another form or case, characters without
 * a shape.
 */
function looksLike(name: string): string {
  return name
    .normalize("NFKC")
    .replaceAll(/[\p{Default_Ignorable_Code_Point}\u2800\s]/gu, "")
    .toLowerCase();
}

// An id is derived from a secret that its owner may choose: one that ends like another's is soon found.
function markLength(users: ReadonlySet<string>): number {
  const longest = Math.max(...Array.from(users, (user) => user.length));
  for (let length = MARK_LENGTH; length < longest; length++) {
    if (new Set(Array.from(users, (user) => user.slice(-length))).size === users.size) return length;
  }
  return longest;
}
