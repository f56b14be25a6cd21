import { effect } from "@preact/signals";
import { render } from "preact";
import { slugOfHash } from "./slug.ts";
import { soon } from "./soon.ts";
import { Square } from "./square.ts";
import { LOCALE } from "./words.ts";
import { App } from "./view/app.tsx";
import { dial, drafts } from "./zocalo-link.ts";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/messages.css";
import "./styles/dialog.css";
import "./styles/tints.css";
import "./styles/forced-colors.css";

const square = new Square({ memory: localStorageOrNothing(), dial, drafts, soon });

/** The address bar says which room is on the screen. */
function followHash(): void {
  const slug = slugOfHash(location.hash);
  if (slug !== undefined) square.visit(slug);
  const hash = `#${square.slug.value}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

document.documentElement.lang = LOCALE;
followHash();
addEventListener("hashchange", followHash);
// Another tab has written to the memory.
addEventListener("storage", () => square.recall());
square.begin();

effect(() => {
  const unread = square.unread.value;
  const { title } = square.infoOf(square.slug.value);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}#${title} · plaza`;
});

const root = document.getElementById("app");
if (root !== null) render(<App square={square} />, root);

/** Merely reading `localStorage` throws where the browser's settings forbid it. */
function localStorageOrNothing(): Pick<Storage, "getItem" | "setItem"> {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {} };
  }
}
