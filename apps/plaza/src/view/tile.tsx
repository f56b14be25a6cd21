import { lookOf } from "../tint.ts";

const CORNERS = [
  <path d="M0 0H12A12 12 0 0 1 0 12Z" class="a" />,
  <>
    <path d="M0 0H14A14 14 0 0 1 0 14Z" class="a" />
    <path d="M0 0H8A8 8 0 0 1 0 8Z" class="b" />
  </>,
  <>
    <path d="M0 0H13L0 13Z" class="a" />
    <circle cx="4" cy="4" r="2.2" class="ground" />
  </>,
  <path d="M0 0C11 1 14 5 13.5 13.5C5 14 1 11 0 0Z" class="a" />,
];

const CENTRES = [
  <>
    <circle cx="16" cy="16" r="5.5" class="b" />
    <circle cx="16" cy="16" r="2" class="ground" />
  </>,
  <path d="M16 8.5 23.5 16 16 23.5 8.5 16Z" class="b" />,
  <>
    <circle cx="16" cy="12.2" r="3.4" class="b" />
    <circle cx="19.8" cy="16" r="3.4" class="b" />
    <circle cx="16" cy="19.8" r="3.4" class="b" />
    <circle cx="12.2" cy="16" r="3.4" class="b" />
    <circle cx="16" cy="16" r="2" class="a" />
  </>,
  <>
    <path d="M11.5 11.5h9v9h-9Z" class="b" />
    <path d="M16 9.6 22.4 16 16 22.4 9.6 16Z" class="b" />
    <circle cx="16" cy="16" r="1.8" class="ground" />
  </>,
];

/** A painted tile in the place of a portrait: each user id has its own, the same for everybody. */
export function Tile({ user }: { readonly user: string }) {
  const { tint, second, corner, centre } = lookOf(user);
  return (
    <svg
      class="tile"
      viewBox="0 0 32 32"
      data-tint={tint}
      data-second={second}
      aria-hidden="true"
      focusable="false"
    >
      <rect width="32" height="32" class="ground" />
      {[0, 90, 180, 270].map((angle) => (
        <g key={angle} transform={`rotate(${angle} 16 16)`}>
          {CORNERS[corner]}
        </g>
      ))}
      {CENTRES[centre]}
    </svg>
  );
}
