import { useSignal } from "@preact/signals";
import type { Square } from "../square.ts";
import { cleanName, NAME_LENGTH } from "../what-was-said.ts";
import { WORDS } from "../words.ts";
import { Dialog } from "./dialog.tsx";

interface NameDialogProps {
  readonly square: Square;
  readonly onDone: () => void;
}

/** Asks for a name: on the first visit, when it has to be answered, and whenever one wants another. */
export function NameDialog({ square, onDone }: NameDialogProps) {
  const known = square.name.value;
  const isFirst = known === undefined;
  const name = useSignal(known ?? "");
  const isEmpty = cleanName(name.value) === "";

  return (
    <Dialog titleId="name-title" onCancel={isFirst ? undefined : onDone}>
      <div class="papel" aria-hidden="true" />
      <form
        class="name-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (isEmpty) return;
          square.enter(name.value);
          onDone();
        }}
      >
        <h2 id="name-title">{isFirst ? WORDS.welcome : WORDS.anotherName}</h2>
        <p class="lead">{isFirst ? WORDS.lead : WORDS.oldName}</p>
        <label for="name">{WORDS.yourName}</label>
        <input
          id="name"
          data-testid="name-input"
          data-autofocus
          value={name.value}
          maxLength={NAME_LENGTH}
          autocomplete="nickname"
          autocapitalize="words"
          spellcheck={false}
          placeholder="Lupita"
          onInput={(event) => {
            name.value = event.currentTarget.value;
          }}
        />
        <div class="dialog-actions">
          {!isFirst && (
            <button type="button" class="quiet" onClick={onDone}>
              {WORDS.cancel}
            </button>
          )}
          <button type="submit" class="primary" data-testid="join-button" disabled={isEmpty}>
            {isFirst ? WORDS.enter : WORDS.useName}
          </button>
        </div>
        {isFirst && <p class="hush">{WORDS.noAccount}</p>}
      </form>
    </Dialog>
  );
}
