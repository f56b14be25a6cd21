import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Square } from "../square.ts";
import { WORDS } from "../words.ts";
import { ConnectionBanner } from "./connection.tsx";
import { Composer, hasKeyboard } from "./composer.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { MessageList } from "./message-list.tsx";
import { NameDialog } from "./name-dialog.tsx";
import { People } from "./people.tsx";
import { type Drawer, RoomHeader } from "./room-header.tsx";
import { Rooms } from "./rooms.tsx";

/** The whole page. */
export function App({ square }: { readonly square: Square }) {
  const drawer = useSignal<Drawer | undefined>(undefined);
  const dialog = useSignal<"name" | "help" | undefined>(undefined);
  const composer = useRef<HTMLTextAreaElement>(null);
  const isNamed = square.name.value !== undefined;

  const opener = useRef<HTMLElement | null>(null);
  const openDrawer = (which: Drawer) => {
    opener.current = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    drawer.value = which;
  };
  const closeDrawer = () => {
    if (drawer.peek() === undefined) return;
    drawer.value = undefined;
    // After the room is no longer inert, the focus goes back to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  };

  useEffect(() => {
    // A drawer exists on narrow screens only; turning the phone must not leave the room inert.
    const widths = [matchMedia("(min-width: 760px)"), matchMedia("(min-width: 1080px)")];
    for (const width of widths) width.addEventListener("change", closeDrawer);
    addEventListener("hashchange", closeDrawer);
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && drawer.value !== undefined) {
        event.preventDefault();
        closeDrawer();
        return;
      }
      if (document.querySelector("dialog[open]") !== null) return;
      if (event.altKey && !event.ctrlKey && !event.metaKey && /^Arrow(Up|Down)$/.test(event.key)) {
        event.preventDefault();
        location.hash = square.step(event.key === "ArrowUp" ? -1 : 1);
      } else if (event.key === "?" && !isTyping(event.target)) {
        event.preventDefault();
        dialog.value = "help";
      }
    };
    addEventListener("keydown", onKey);
    return () => {
      for (const width of widths) width.removeEventListener("change", closeDrawer);
      removeEventListener("hashchange", closeDrawer);
      removeEventListener("keydown", onKey);
    };
  }, [square]);

  // The dialog has taken the focus back to where it came from; on the first visit that is nowhere.
  useLayoutEffect(() => {
    if (isNamed && hasKeyboard()) composer.current?.focus();
  }, [isNamed]);

  const closeDialog = () => {
    dialog.value = undefined;
  };
  const room = square.room.value;

  return (
    <>
      <button
        type="button"
        class="skip"
        inert={drawer.value !== undefined}
        onClick={() => composer.current?.focus()}
      >
        {WORDS.skip}
      </button>
      <div class="square" data-drawer={drawer.value ?? "none"}>
        <Rooms
          square={square}
          isInert={drawer.value === "people"}
          isDrawerOpen={drawer.value === "rooms"}
          onClose={closeDrawer}
          onRename={() => {
            drawer.value = undefined;
            dialog.value = "name";
          }}
          onHelp={() => {
            drawer.value = undefined;
            dialog.value = "help";
          }}
        />
        <main
          class="room"
          inert={drawer.value !== undefined}
          aria-label={`#${square.infoOf(room.slug).title}`}
        >
          <RoomHeader square={square} onDrawer={openDrawer} />
          <div class="room-middle">
            <ConnectionBanner square={square} />
            <MessageList key={room.slug} square={square} room={room} />
          </div>
          <Composer key={`write-${room.slug}`} square={square} room={room} field={composer} />
        </main>
        <People
          square={square}
          isInert={drawer.value === "rooms"}
          isDrawerOpen={drawer.value === "people"}
          onClose={closeDrawer}
        />
        {drawer.value !== undefined && <div class="scrim" onClick={closeDrawer} />}
      </div>
      {(!isNamed || dialog.value === "name") && <NameDialog square={square} onDone={closeDialog} />}
      {dialog.value === "help" && <HelpDialog onDone={closeDialog} />}
    </>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea") !== null;
}
