import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface DialogProps {
  readonly titleId: string;
  readonly children: ComponentChildren;
  /** Called on Escape and on a click outside. Without it the dialog has to be answered. */
  readonly onCancel?: (() => void) | undefined;
}

/** A modal dialog: everything behind it is inert, and Tab stays inside. */
export function Dialog({ titleId, children, onCancel }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    element?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onCancel?.();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onCancel?.();
      }}
      onKeyDown={(event) => {
        // Chrome closes a dialog on the second Escape whatever `cancel` said.
        if (event.key === "Escape") {
          event.preventDefault();
          onCancel?.();
        }
        if (event.key === "Tab") keepInside(event, dialog.current);
      }}
    >
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}

function keepInside(event: KeyboardEvent, dialog: HTMLDialogElement | null): void {
  const stops = [...(dialog?.querySelectorAll<HTMLElement>("input, button:not(:disabled), a[href]") ?? [])];
  // The focus may be on a heading, before all stops.
  const at = stops.findIndex((stop) => stop === document.activeElement);
  if (event.shiftKey ? at > 0 : at < stops.length - 1) return;
  event.preventDefault();
  (event.shiftKey ? stops.at(-1) : stops[0])?.focus();
}
