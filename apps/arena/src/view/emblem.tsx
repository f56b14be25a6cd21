import type { Team } from "../game/kinds.ts";

/** The sign of a team: a disc with rays, or a diamond with a crescent. */
export function Emblem({ team }: { readonly team: Team }) {
  return (
    <svg class="emblem" viewBox="0 0 32 32" data-team={team} aria-hidden="true" focusable="false">
      {team === "sun" ? (
        <>
          {[0, 30, 60].map((angle) => (
            <rect
              key={angle}
              x="5"
              y="5"
              width="22"
              height="22"
              transform={`rotate(${angle} 16 16)`}
              class="a"
            />
          ))}
          <circle cx="16" cy="16" r="7" class="b" />
        </>
      ) : (
        <>
          <path d="M16 1 31 16 16 31 1 16Z" class="a" />
          <path d="M19 9a8 8 0 1 0 4 11 6.5 6.5 0 0 1-4-11Z" class="b" />
        </>
      )}
    </svg>
  );
}
