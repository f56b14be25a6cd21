/** What is used of the Navigation API, which not every browser has. */
interface Navigating {
  addEventListener(type: "navigate", heard: (event: NavigateEventLike) => void): void;
}

interface NavigateEventLike {
  readonly navigationType: string;
  readonly destination: { readonly sameDocument: boolean };
}

/**
 * Calls `left` when this page is left for another one, and not when it is loaded again: then it comes back to
 * its place. Of a tab that is closed, and in a browser without the Navigation API, nobody is told; the server
 * frees the place when nothing has come for a while.
 */
export function onLeaving(left: () => void): void {
  const navigation: unknown = Reflect.get(globalThis, "navigation");
  if (!canTell(navigation)) return;
  // Now, and not when the page is hidden: by then what it says may not get out any more.
  navigation.addEventListener("navigate", ({ navigationType, destination }) => {
    if (navigationType !== "reload" && !destination.sameDocument) left();
  });
}

function canTell(navigation: unknown): navigation is Navigating {
  return typeof navigation === "object" && navigation !== null && "addEventListener" in navigation;
}
