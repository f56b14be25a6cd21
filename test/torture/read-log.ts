import type { HistoryPage, Json } from "@zocalo/protocol";
import type { Page } from "../simulation/history.ts";
import type { Texts } from "../simulation/texts.ts";
import { openWire } from "./wire.ts";

/**
 * Reads all that a channel has, page by page from the newest.
 *
 * @param port where a server takes lines
 */
export function readLog(port: number, channel: string, texts: Texts): Promise<Page> {
  return new Promise((resolve, reject) => {
    const publications: { offset: number; text: string }[] = [];
    let newest: HistoryPage | undefined;
    const ask = (before?: number): void =>
      wire.send(JSON.stringify({ type: "history", id: 1, channel, limit: 1_000, before }));
    let isDone = false;
    const wire = openWire("tcp", port, {
      open: () => ask(),
      sent: () => undefined,
      close: () => {
        if (!isDone) reject(new Error("the server hung up on whoever read the logs"));
      },
      message: (text) => {
        const page = JSON.parse(text) as HistoryPage;
        if (page.type !== "history") return reject(new Error(`the log was not to be read: ${text}`));
        if (newest !== undefined && newest.epoch !== page.epoch) {
          // The log of the pages before is gone, as where damage is found in it: this is of another one.
          newest = undefined;
          publications.length = 0;
          return ask();
        }
        let from = 0;
        const found = page.publications.map(({ offset, data }) => {
          const json = texts.of(data as Json, text, from);
          from = Math.max(from, text.indexOf(json, from));
          return { offset, text: json };
        });
        publications.unshift(...found);
        newest ??= page;
        const { oldest } = page;
        const { epoch, head } = newest;
        if (found.length > 0 && (publications[0]?.offset ?? 0) > oldest) return ask(publications[0]?.offset);
        isDone = true;
        wire.cut();
        resolve({ type: "page", channel, epoch, head, oldest, publications });
      },
    });
  });
}
