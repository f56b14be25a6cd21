/**
 * Remembers which row is at the top of the view and where, and brings it back there after rows came or went.
 */
export class ScrollAnchor {
  #row: string | undefined;
  #top = 0;

  remember(scroller: HTMLElement): void {
    const edge = scroller.getBoundingClientRect().top;
    for (const row of scroller.querySelectorAll<HTMLElement>("[data-row]")) {
      const box = row.getBoundingClientRect();
      if (box.bottom <= edge) continue;
      this.#row = row.dataset["row"];
      this.#top = box.top - edge;
      return;
    }
  }

  restore(scroller: HTMLElement): void {
    if (this.#row === undefined) return;
    const row = scroller.querySelector<HTMLElement>(`[data-row="${CSS.escape(this.#row)}"]`);
    if (row === null) return;
    const top = row.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    scroller.scrollTop += top - this.#top;
  }
}
