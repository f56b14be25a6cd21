const CONTROLS = ":is(button, input, summary)";

/** What can have the focus in the dialog that is open, in its order. */
function controls(): HTMLElement[] {
  const all = document.querySelectorAll<HTMLElement>(`dialog[open] ${CONTROLS}`);
  // What is folded away is not to be reached, but for what unfolds it.
  return [...all].filter(
    (each) => each.tagName === "SUMMARY" || each.closest("details:not([open])") === null,
  );
}

/** Moves the focus within the dialog, from the last one to the first and back. */
export function moveFocus(by: 1 | -1): void {
  const all = controls();
  const at = all.findIndex((each) => each === document.activeElement);
  const to = at < 0 ? 0 : (at + by + all.length) % all.length;
  all[to]?.focus();
}

/** Presses what has the focus; a field that takes text sends its form off. */
export function pressFocused(): void {
  const focused = document.activeElement;
  if (focused instanceof HTMLInputElement) focused.form?.requestSubmit();
  else if (focused instanceof HTMLElement && focused.matches(CONTROLS)) focused.click();
  else moveFocus(1);
}
