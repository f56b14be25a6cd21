import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import type { Room } from "../room.ts";
import { PENDING_LIMIT } from "../room-log.ts";
import type { Square } from "../square.ts";
import { COUNTER_FROM, isBlank, lengthOf, MESSAGE_LENGTH } from "../what-was-said.ts";
import { WORDS } from "../words.ts";
import { Icon } from "./icon.tsx";

interface ComposerProps {
  readonly square: Square;
  readonly room: Room;
  readonly field: RefObject<HTMLTextAreaElement | null>;
}

/** False on a phone, where the focus would open the keyboard over the room that one came to read. */
export function hasKeyboard(): boolean {
  return matchMedia("(hover: hover)").matches;
}

/** Makes it as high as what is written in it. */
function fit(area: HTMLTextAreaElement | null): void {
  if (area === null) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

/** Where one writes. Enter sends, Shift+Enter begins a line. */
export function Composer({ square, room, field }: ComposerProps) {
  const text = room.draft;
  const problem = useSignal<string | undefined>(undefined);
  const { title } = square.infoOf(room.slug);
  const left = MESSAGE_LENGTH - lengthOf(text.value);
  const isSendable = left >= 0 && !isBlank(text.value);

  useEffect(() => {
    if (hasKeyboard()) field.current?.focus();
  }, [field]);

  useLayoutEffect(() => fit(field.current), [text.value, field]);
  useEffect(() => {
    const turned = () => fit(field.current);
    addEventListener("resize", turned);
    return () => removeEventListener("resize", turned);
  }, [field]);

  const write = (value: string) => {
    room.write(value);
    problem.value = undefined;
  };

  const send = () => {
    if (!isSendable) return;
    if (room.say(text.value.trim())) write("");
    else problem.value = WORDS.manyWaiting(PENDING_LIMIT);
    field.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="composer-box">
        <label class="sr-only" for="composer">
          {WORDS.messageTo(title)}
        </label>
        <textarea
          id="composer"
          data-testid="composer-input"
          ref={field}
          rows={1}
          value={text.value}
          placeholder={WORDS.writeTo(title)}
          enterkeyhint="send"
          autocomplete="off"
          aria-describedby={left <= COUNTER_FROM ? "composer-left" : undefined}
          aria-invalid={left < 0 ? "true" : undefined}
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={(event) => {
            // While an input method composes a character, Enter belongs to it.
            if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
            event.preventDefault();
            send();
          }}
        />
        <button
          type="submit"
          class="send"
          data-testid="send-button"
          disabled={!isSendable}
          aria-label={WORDS.send}
        >
          <Icon name="send" />
        </button>
      </div>
      <p class="composer-foot">
        <span class="hush only-hover">
          <kbd>Enter</kbd> {WORDS.sends} · <kbd>Shift</kbd> <kbd>Enter</kbd> {WORDS.newLine}
        </span>
        {problem.value !== undefined && (
          <span class="problem" role="alert">
            {problem.value}
          </span>
        )}
        {left <= COUNTER_FROM && (
          <span id="composer-left" class={left < 0 ? "counter problem" : "counter"} role="status">
            {left >= 0 ? WORDS.left(left) : WORDS.tooMany(-left)}
          </span>
        )}
      </p>
    </form>
  );
}
