/**
 * Remembers which message is at the top of the view and where, and brings it back there after rows came or
 * went. A line between messages would not do: it goes, or moves, when something comes before it.
 */
export class ScrollAnchor {
  #row: string | undefined;
  #top = 0;
  #isAtTop = false;

  /** The place is the top, whatever comes there, until somebody scrolls. */
  toTop(): void {
    this.#isAtTop = true;
  }

  remember(scroller: HTMLElement): void {
    if (scroller.scrollTop > 0) this.#isAtTop = false;
    const edge = scroller.getBoundingClientRect().top;
    for (const row of scroller.querySelectorAll<HTMLElement>(".message")) {
      const box = row.getBoundingClientRect();
      if (box.bottom <= edge) continue;
      this.#row = row.dataset["row"];
      this.#top = box.top - edge;
      return;
    }
  }

  restore(scroller: HTMLElement): void {
    if (this.#isAtTop) scroller.scrollTop = 0;
    if (this.#isAtTop || this.#row === undefined) return;
    const row = scroller.querySelector<HTMLElement>(`[data-row="${CSS.escape(this.#row)}"]`);
    if (row === null) return;
    const top = row.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    scroller.scrollTop += top - this.#top;
  }
}
