/** How long a page in the background may take, where there are no frames to wait for, in milliseconds. */
const HIDDEN_MS = 200;

/** Runs something before the next frame; in the background, where there are no frames, a little later. */
export function soon(run: () => void): void {
  let hasRun = false;
  const once = () => {
    if (hasRun) return;
    hasRun = true;
    run();
  };
  requestAnimationFrame(once);
  setTimeout(once, HIDDEN_MS);
}
