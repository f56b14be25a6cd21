/** What a browser says of its network and its page. Tests pass their own. */
export interface Network {
  /** True: there is no network. It may be wrong where the server is on this machine. */
  readonly isOffline: boolean;
  /**
   * Calls `told` at each change, and when the page is looked at again.
   *
   * @returns stops that
   */
  watch(told: (event: "offline" | "online" | "visible") => void): () => void;
}

/** That of the page; elsewhere one that has nothing to say. */
export const pageNetwork: Network = {
  get isOffline() {
    // Node has a navigator that does not say.
    return !(globalThis.navigator?.onLine ?? true);
  },
  watch(told) {
    const { document } = globalThis;
    if (typeof document === "undefined" || typeof globalThis.addEventListener !== "function") return () => {};
    const ending = new AbortController();
    const { signal } = ending;
    for (const event of ["offline", "online"] as const) {
      globalThis.addEventListener(event, () => told(event), { signal });
    }
    const visible = () => {
      if (document.visibilityState === "visible") told("visible");
    };
    document.addEventListener("visibilitychange", visible, { signal });
    return () => ending.abort();
  },
};
