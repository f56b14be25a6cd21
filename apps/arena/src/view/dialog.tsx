import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface DialogProps {
  readonly titleId: string;
  readonly kind: string;
  readonly children: ComponentChildren;
  /** Called on Escape. Without it the dialog has to be answered. */
  readonly onEscape?: (() => void) | undefined;
}

/** A modal dialog over the picture. */
export function Dialog({ titleId, kind, children, onEscape }: DialogProps) {
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
      class={kind}
      aria-labelledby={titleId}
      data-testid={kind}
      onCancel={(event) => {
        event.preventDefault();
        onEscape?.();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        onEscape?.();
      }}
    >
      {children}
    </dialog>
  );
}
