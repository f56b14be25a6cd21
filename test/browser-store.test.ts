// The outbox in a real browser: pages that are reloaded, closed and crash while there is no server, several
// tabs, and a browser that refuses to store. The hub and everything else are real, too.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type * as client from "@zocalo/client";
import { type Committed, Hub, MemoryEngine, type NewPublication, type Retention } from "@zocalo/hub";
import type { IpAddr, Listener } from "@zocalo/net";
import * as websocket from "@zocalo/websocket";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";

const CHANNEL = "plaza:general";

/** What the page has of the test. */
declare global {
  interface Window {
    zocalo: typeof client;
    session: client.Session;
    store: client.BrowserStore;
    told: string[];
    say(text: string): void;
  }
}

let browser: Browser;
let pages: ReturnType<typeof createServer>;
before(async () => {
  browser = await launchBrowser();
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../packages/client/src/index.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "zocalo",
    conditions: ["zocalo-source"],
  });
  // The test's own loader marks functions by a call of this.
  const script = `var __name = (run) => run;${outputFiles[0]?.text}`;
  pages = createServer((_, response) => {
    response.setHeader("content-type", "text/html").end(`<!doctype html><script>${script}</script>`);
  });
  pages.listen(0, "localhost");
  await once(pages, "listening");
});
after(async () => {
  await browser.close();
  pages.close();
  pages.closeAllConnections();
});

/** Commits, and answers only if the test lets it. */
class SilentEngine extends MemoryEngine {
  isSilent = false;
  committed: (offset: number) => void = () => {};

  override async publish(
    channel: string,
    publication: NewPublication,
    retention: Retention,
  ): Promise<Committed> {
    const committed = await super.publish(channel, publication, retention);
    this.committed(committed.offset);
    return this.isSilent ? new Promise<never>(() => {}) : committed;
  }
}

/** A hub that can be reached, or not, at one address. */
class Server {
  readonly engine = new SilentEngine();
  readonly #hub = new Hub({
    engine: this.engine,
    namespaces: {
      plaza: { subscribe: "anyone", publish: "anyone" },
      doc: { subscribe: "anyone", publish: "anyone", data: "bytes" },
    },
  });
  readonly #conns = new Set<websocket.WebSocketConn>();
  #listener: Listener<websocket.WebSocketConn, IpAddr> | undefined;
  #port = 0;

  /** @param isUp whether it can be reached from the beginning */
  static async start(isUp: boolean): Promise<Server> {
    const server = new Server();
    await server.up();
    if (!isUp) await server.down();
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    const listener = await websocket.listen(`127.0.0.1:${this.#port}`, { checkOrigin: () => true });
    this.#listener = listener;
    this.#port = listener.addr.port;
    void this.#accept(listener);
  }

  /** Nobody gets through, and every connection breaks. */
  async down(): Promise<void> {
    await this.#listener?.close();
    for (const conn of this.#conns) conn.abort();
    this.#conns.clear();
  }

  /** Resolves with what is in the log once there are so many. */
  async texts(count: number): Promise<string[]> {
    const heard: Promise<void> = new Promise((resolve) => {
      this.engine.committed = (offset) => offset >= count && resolve();
    });
    if ((await this.#read()).length < count) await heard;
    return this.#read();
  }

  async #read(): Promise<string[]> {
    const { publications } = await this.engine.read(CHANNEL, 0, 1_000);
    return publications.map(({ data }) => JSON.parse(String(data)) as string);
  }

  async #accept(listener: Listener<websocket.WebSocketConn, IpAddr>): Promise<void> {
    for await (const conn of listener) {
      this.#conns.add(conn);
      this.#hub.accept(conn);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    await this.#hub.close();
  }
}

/** A page of the user whose browser `context` is, with a session and a store. */
async function open(context: BrowserContext, server: Server, user = "ana"): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`);
  await begin(page, server, user);
  return page;
}

/** Begins a session in a page. What it is told stands in `told`. */
async function begin(page: Page, server: Server, user = "ana"): Promise<void> {
  await page.evaluate(
    ([url, name, channel]) => {
      const { zocalo } = window;
      window.told = [];
      const tell = (what: string) => {
        window.told.push(what);
        dispatchEvent(new Event("told"));
      };
      const settled = (text: string, published: Promise<client.Published>) =>
        published.then(
          ({ offset }) => tell(`${text} is ${offset}`),
          (error: { code?: string }) => tell(`${text} ${error.code}`),
        );
      window.store = zocalo.browserStore(name);
      window.session = zocalo.connect(url, {
        token: name,
        backoff: { baseMs: 50, maxMs: 200 },
        keep: {
          store: window.store,
          left: ({ data, published }) => {
            const text = data instanceof Uint8Array ? `bytes ${data.join()}` : (data as string);
            tell(`left ${text}`);
            void settled(text, published);
          },
          notKept: (error) => tell(`not kept: ${error.name}`),
        },
      });
      const room = window.session.channel<string>(channel);
      window.say = (text) => void settled(text, room.publish(text, { kept: () => tell(`kept ${text}`) }));
    },
    [server.url, user, CHANNEL] as const,
  );
}

/** Waits until the page was told that. */
async function hears(page: Page, what: string): Promise<void> {
  await page.evaluate(
    (awaited) =>
      new Promise<void>((resolve) => {
        const look = () => window.told.includes(awaited) && resolve();
        addEventListener("told", look);
        look();
      }),
    what,
  );
}

/** Says it, and waits until it outlives the page. */
async function say(page: Page, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    await page.evaluate((said) => window.say(said), text);
    await hears(page, `kept ${text}`);
  }
}

/** Waits until the store holds nothing: what was acknowledged leaves it a moment later. */
async function isEmptied(page: Page, user = "ana"): Promise<void> {
  await page.evaluate(async (name) => {
    const result = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve) => (request.onsuccess = () => resolve(request.result)));
    const database = await result(indexedDB.open(`zocalo:${name}`));
    while ((await result(database.transaction("outbox").objectStore("outbox").count())) > 0);
    database.close();
  }, user);
}

const told = (page: Page) => page.evaluate(() => window.told);

/** The renderer of the page is killed. */
async function crash(page: Page): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  devtools.send("Page.crash").catch(() => {}); // It has nobody to answer.
  await crashed;
}

const withoutLocks = () => {
  // As on a page that came over plain http from another machine.
  Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
};

for (const [how, prepare] of [
  ["", undefined],
  [", without Web Locks", withoutLocks],
] as const) {
  const context = async () => {
    const made = await browser.newContext();
    if (prepare !== undefined) await made.addInitScript(prepare);
    return made;
  };

  test(`written while there is no server, and the page is reloaded: sent once${how}`, async () => {
    await using server = await Server.start(false);
    await using user = await context();
    const page = await open(user, server);
    await say(page, "one", "two");
    await page.reload();
    await begin(page, server);
    await hears(page, "left two");
    await say(page, "three");
    await server.up();
    await hears(page, "three is 3");
    assert.deepEqual(await server.texts(3), ["one", "two", "three"]);
    assert.deepEqual((await told(page)).slice(0, 2), ["left one", "left two"]);
    await isEmptied(page);
    // Nothing is left for the next one.
    await page.reload();
    await begin(page, server);
    await say(page, "four");
    await hears(page, "four is 4");
    assert.deepEqual(await told(page), ["kept four", "four is 4"]);
  });

  test(`written while there is no server, and the tab is closed: sent once by the next${how}`, async () => {
    await using server = await Server.start(false);
    await using user = await context();
    const page = await open(user, server);
    await say(page, "one");
    await page.close();
    await server.up();
    const next = await open(user, server);
    await hears(next, "one is 1");
    assert.deepEqual(await server.texts(1), ["one"]);
  });

  test(`two tabs: each sends its own, and one what the other left when it was closed, once${how}`, async () => {
    await using server = await Server.start(false);
    await using user = await context();
    const [one, two] = [await open(user, server), await open(user, server)];
    await say(one, "one");
    await say(two, "two");
    await one.close({ runBeforeUnload: false });
    await hears(two, "left one");
    await server.up();
    await hears(two, "one is 1");
    await hears(two, "two is 2");
    assert.deepEqual(await server.texts(2), ["one", "two"]);
  });
}

test("bytes written while there is no server, and the page is reloaded: sent once, as they were", async () => {
  await using server = await Server.start(false);
  await using user = await browser.newContext();
  const page = await open(user, server);
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const written = [all, new Uint8Array(), Uint8Array.of(0)];
  await page.evaluate(
    async (lists) => {
      const doc = window.session.channel<Uint8Array>("doc:x");
      for (const bytes of lists) {
        await new Promise<void>((kept) => void doc.publish(Uint8Array.from(bytes), { kept }));
      }
    },
    written.map((bytes) => [...bytes]),
  );
  await page.reload();
  await begin(page, server);
  for (const bytes of written) await hears(page, `left bytes ${bytes.join()}`);
  await server.up();
  for (const [index, bytes] of written.entries()) await hears(page, `bytes ${bytes.join()} is ${index + 1}`);
  const { publications } = await server.engine.read("doc:x", 0, 10);
  assert.deepEqual(
    publications.map(({ data }) => Buffer.from(data as Uint8Array)),
    written.map((bytes) => Buffer.from(bytes)),
  );
  await isEmptied(page);
  // Nothing is left for the next one.
  await page.reload();
  await begin(page, server);
  await say(page, "one");
  assert.deepEqual((await told(page)).slice(0, 1), ["kept one"]);
});

test("committed and not acknowledged when the page crashed: once, told to the page that comes next", async () => {
  await using server = await Server.start(true);
  await using user = await browser.newContext();
  const page = await open(user, server);
  server.engine.isSilent = true;
  await say(page, "one");
  assert.deepEqual(await server.texts(1), ["one"]);
  await crash(page);
  server.engine.isSilent = false;
  const next = await open(user, server);
  await hears(next, "one is 1");
  await say(next, "two");
  await hears(next, "two is 2");
  assert.deepEqual(await server.texts(2), ["one", "two"]);
});

test("a page crashes: another tab goes on with what it left at once", async () => {
  await using server = await Server.start(false);
  await using user = await browser.newContext();
  const [one, two] = [await open(user, server), await open(user, server)];
  await say(one, "one", "two");
  await crash(one);
  await hears(two, "left two");
  await server.up();
  await hears(two, "two is 2");
  assert.deepEqual(await server.texts(2), ["one", "two"]);
});

test("what one user left is not sent by another", async () => {
  await using server = await Server.start(false);
  await using user = await browser.newContext();
  const page = await open(user, server);
  await say(page, "one");
  await page.close();
  await server.up();
  const other = await open(user, server, "ben");
  await say(other, "two");
  await hears(other, "two is 1");
  assert.deepEqual(await told(other), ["kept two", "two is 1"]);
});

for (const [title, refuse, expected] of [
  ["there is no IndexedDB", () => Object.defineProperty(window, "indexedDB", { value: undefined }), "Error"],
  [
    "it may not be used",
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("no", "SecurityError");
      };
    },
    "SecurityError",
  ],
] as const) {
  test(`${title}: that is told once, and all is sent`, async () => {
    await using server = await Server.start(true);
    await using user = await browser.newContext();
    await user.addInitScript(refuse);
    const page = await open(user, server);
    for (const [index, text] of ["one", "two"].entries()) {
      await page.evaluate((said) => window.say(said), text);
      await hears(page, `${text} is ${index + 1}`);
    }
    assert.deepEqual(await told(page), [`not kept: ${expected}`, "one is 1", "two is 2"]);
    assert.equal(await page.evaluate(() => window.store.drafts.set("a", "hola")), false);
    assert.equal(await page.evaluate(() => window.store.drafts.get("a")), "hola");
  });
}

test("there is no room: that is told once, all is sent, and what is kept stays", async () => {
  await using server = await Server.start(false);
  await using user = await browser.newContext();
  const page = await open(user, server);
  await say(page, "one");
  await page.evaluate(() => {
    const refused = new Set(['"memory"', '"memory too"']);
    const add = Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, "add")?.value as typeof Array.of;
    Object.defineProperty(IDBObjectStore.prototype, "add", {
      value(this: IDBObjectStore, row: { readonly json: string }) {
        if (refused.has(row.json)) throw new DOMException("no room", "QuotaExceededError");
        return Reflect.apply(add, this, [row]) as unknown;
      },
    });
    window.say("memory");
  });
  await hears(page, "not kept: QuotaExceededError");
  await page.evaluate(() => window.say("memory too"));
  await say(page, "two");
  await server.up();
  await hears(page, "two is 4");
  assert.deepEqual(await server.texts(4), ["one", "memory", "memory too", "two"]);
  assert.equal((await told(page)).filter((what) => what.startsWith("not kept")).length, 1);
});

test("another tab erases the store: what is written later is kept again", async () => {
  await using server = await Server.start(false);
  await using user = await browser.newContext();
  const page = await open(user, server);
  await say(page, "one");
  const other = await open(user, server);
  await other.evaluate(() => window.store.erase());
  await other.close();
  await say(page, "two");
  await server.up();
  await hears(page, "two is 1");
  // Whether another tab has taken it from there the page cannot tell.
  assert.ok((await told(page)).includes("one unknown_outcome"));
  assert.deepEqual(await server.texts(1), ["two"]);
});

test("what 0.1.0 kept is read by each later version", async () => {
  await using server = await Server.start(true);
  await using user = await browser.newContext();
  const page = await user.newPage();
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`);
  await page.evaluate(
    (channel) =>
      new Promise<void>((resolve) => {
        const request = indexedDB.open("zocalo:ana", 1);
        request.onupgradeneeded = () => {
          const { result } = request;
          const entry = { channel, at: Date.now(), owner: "somebody" };
          const outbox = result.createObjectStore("outbox", { keyPath: "id", autoIncrement: true });
          outbox.add({ ...entry, key: "k1", json: '"never sent"' });
          outbox.add({ ...entry, key: "k2", json: '"sent just now"', sentAt: Date.now() });
          outbox.add({ ...entry, key: "k3", json: '"sent long ago"', sentAt: Date.now() - 300_000 });
          const drafts = result.createObjectStore("drafts", { keyPath: "name" });
          drafts.createIndex("at", "at");
          drafts.add({ name: "a", text: "hola", at: Date.now() });
        };
        request.onsuccess = () => {
          request.result.close();
          resolve();
        };
      }),
    CHANNEL,
  );
  await begin(page, server);
  await hears(page, "never sent is 1");
  await hears(page, "sent just now is 2");
  await hears(page, "sent long ago unknown_outcome");
  assert.equal(await page.evaluate(() => window.store.drafts.get("a")), "hola");
});

test("drafts outlive the page, are shared by tabs, and bounded", async () => {
  await using server = await Server.start(true);
  await using user = await browser.newContext();
  const page = await open(user, server);
  const kept = await page.evaluate(async () => [
    await window.store.drafts.set("a", "hola"),
    await window.store.drafts.set("b", "x".repeat(65_537)),
    await window.store.drafts.get("b"),
  ]);
  assert.deepEqual(kept, [true, false, undefined]);
  await page.reload();
  await begin(page, server);
  const other = await open(user, server);
  for (const tab of [page, other]) {
    assert.equal(await tab.evaluate(() => window.store.drafts.get("a")), "hola");
  }
  const left = await other.evaluate(async () => {
    const { drafts } = window.store;
    const now = Date.now();
    for (let index = 0; index < 100; index++) {
      Date.now = () => now - index * 1_000; // Somebody sets the clock back, again and again.
      await drafts.set(`${index}`, `${index}`);
    }
    await drafts.set("99", "");
    return [await drafts.get("a"), await drafts.get("0"), await drafts.get("98"), await drafts.get("99")];
  });
  assert.deepEqual(left, [undefined, "0", "98", undefined]);
  await page.evaluate(async () => {
    await window.session.close();
    await window.store.erase();
  });
  assert.equal(await page.evaluate(() => window.store.drafts.get("0")), undefined);
});

test("a browser that goes offline is in that state at once, and comes back", async () => {
  await using server = await Server.start(true);
  await using user = await browser.newContext();
  const page = await open(user, server);
  await say(page, "one");
  await hears(page, "one is 1");
  const codes = await page.evaluate(() => {
    Object.defineProperty(Navigator.prototype, "onLine", { get: () => false, configurable: true });
    dispatchEvent(new Event("offline"));
    const { state } = window.session;
    return state.name === "waiting" ? state.cause.code : state.name;
  });
  assert.equal(codes, "offline");
  await page.evaluate(() => {
    Object.defineProperty(Navigator.prototype, "onLine", { get: () => true });
    dispatchEvent(new Event("online"));
    window.say("two");
  });
  await hears(page, "two is 2");
});
