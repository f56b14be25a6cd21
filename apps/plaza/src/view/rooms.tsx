import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { TITLE_LENGTH } from "../slug.ts";
import type { Square } from "../square.ts";
import { badge } from "../unread.ts";
import { WORDS } from "../words.ts";
import { Icon } from "./icon.tsx";
import { Tile } from "./tile.tsx";

interface RoomsProps {
  readonly square: Square;
  readonly isInert: boolean;
  readonly isDrawerOpen: boolean;
  readonly onClose: () => void;
  readonly onRename: () => void;
  readonly onHelp: () => void;
}

/** The side with the rooms, and at its foot who one is. */
export function Rooms({ square, isInert, isDrawerOpen, onClose, onRename, onHelp }: RoomsProps) {
  const side = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isDrawerOpen) side.current?.querySelector<HTMLElement>("[aria-current]")?.focus();
  }, [isDrawerOpen]);
  const me = square.me;

  return (
    <aside class="side rooms" ref={side} inert={isInert} aria-label={WORDS.rooms}>
      <div class="papel" aria-hidden="true" />
      <div class="side-head">
        <p class="brand">
          <img src="./favicon.svg" alt="" width="28" height="28" />
          plaza
        </p>
        <button type="button" class="bare only-narrow" aria-label={WORDS.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <nav class="rooms-nav" aria-label={WORDS.rooms}>
        <h2 class="side-title">{WORDS.rooms}</h2>
        <ul>
          {square.rooms.value.map(({ slug, title }) => (
            <RoomLink key={slug} square={square} slug={slug} title={title} />
          ))}
        </ul>
        <NewRoom square={square} />
      </nav>
      <footer class="me">
        {me !== undefined && <Tile user={me.user} />}
        {square.name.value !== undefined && (
          <button type="button" class="me-name" onClick={onRename} title={WORDS.changeYourName}>
            <bdi>{square.name.value}</bdi>
            <span class="hush">{WORDS.changeName}</span>
          </button>
        )}
        <button
          type="button"
          class="bare"
          onClick={onHelp}
          aria-label={WORDS.help}
          title={`${WORDS.help} (?)`}
        >
          <Icon name="help" />
        </button>
      </footer>
    </aside>
  );
}

function RoomLink({ square, slug, title }: { square: Square; slug: string; title: string }) {
  const isCurrent = square.slug.value === slug;
  const unread = square.roomOf(slug).unread.value;
  return (
    <li>
      <a
        class="room-link"
        data-testid="room-link"
        data-room={slug}
        href={`#${slug}`}
        aria-current={isCurrent ? "page" : undefined}
        data-unread={unread > 0 ? "yes" : undefined}
      >
        <span class="hash" aria-hidden="true">
          #
        </span>
        <bdi class="room-title">{title}</bdi>
        {unread > 0 && (
          <span class="badge">
            {badge(unread)}
            <span class="sr-only"> {WORDS.unread}</span>
          </span>
        )}
      </a>
    </li>
  );
}

function NewRoom({ square }: { readonly square: Square }) {
  const isOpen = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  const field = useRef<HTMLInputElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  // At once, before the next key: who opens this with the keyboard goes on typing.
  useLayoutEffect(() => {
    if (isOpen.value) field.current?.focus();
  }, [isOpen.value]);

  const close = () => {
    isOpen.value = false;
    problem.value = undefined;
    requestAnimationFrame(() => opener.current?.focus());
  };

  if (!isOpen.value) {
    return (
      <button
        type="button"
        class="new-room"
        ref={opener}
        onClick={() => {
          isOpen.value = true;
        }}
      >
        <Icon name="plus" /> {WORDS.newRoom}
      </button>
    );
  }
  return (
    <form
      class="new-room-form"
      onSubmit={(event) => {
        event.preventDefault();
        problem.value = square.create(field.current?.value ?? "");
        if (problem.value !== undefined) return;
        isOpen.value = false;
        location.hash = square.slug.value;
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        close();
      }}
    >
      <label class="sr-only" for="new-room">
        {WORDS.newRoomName}
      </label>
      <input
        id="new-room"
        ref={field}
        maxLength={TITLE_LENGTH}
        placeholder={WORDS.roomName}
        autocomplete="off"
        aria-describedby={problem.value === undefined ? undefined : "new-room-problem"}
        aria-invalid={problem.value === undefined ? undefined : "true"}
      />
      <button type="submit" class="primary small">
        {WORDS.create}
      </button>
      <button type="button" class="bare" aria-label={WORDS.cancel} onClick={close}>
        <Icon name="close" />
      </button>
      {problem.value !== undefined && (
        <p id="new-room-problem" class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </form>
  );
}
