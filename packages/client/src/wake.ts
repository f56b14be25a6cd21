/**
 * Calls `wake` when a browser is online again or its page is looked at again, where such events exist.
 *
 * @returns stops that
 */
export function onWake(wake: () => void): () => void {
  const { document } = globalThis;
  const onVisible = () => {
    if (document.visibilityState === "visible") wake();
  };
  if (typeof document === "undefined" || typeof globalThis.addEventListener !== "function") return () => {};
  globalThis.addEventListener("online", wake);
  document.addEventListener("visibilitychange", onVisible);
  return () => {
    globalThis.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
