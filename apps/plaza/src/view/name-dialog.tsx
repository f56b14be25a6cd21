import { useSignal } from "@preact/signals";
import type { Square } from "../square.ts";
import { cleanName, NAME_LENGTH } from "../what-was-said.ts";
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
        <h2 id="name-title">{isFirst ? "Welcome to the plaza" : "Another name"}</h2>
        <p class="lead">
          {isFirst
            ? "A town square to talk in. Pick a name and stay a while."
            : "What you have written before keeps the old one."}
        </p>
        <label for="name">Your name</label>
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
              Cancel
            </button>
          )}
          <button type="submit" class="primary" data-testid="join-button" disabled={isEmpty}>
            {isFirst ? "Enter the square" : "Use this name"}
          </button>
        </div>
        {isFirst && (
          <p class="hush">
            No account, no e-mail address. This browser keeps a random key, so that you are the same person
            next time.
          </p>
        )}
      </form>
    </Dialog>
  );
}
