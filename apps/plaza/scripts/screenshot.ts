// `npx tsx apps/plaza/scripts/screenshot.ts`: the pictures of docs/images, taken from the built server and
// page. Needs `npm run build`, Chromium, and for the look of most people's machines the fonts Inter and Noto
// Color Emoji.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { fontsFile } from "../../../scripts/picture-fonts.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const IMAGES = join(ROOT, "docs/images");
const HTTP_PORT = 18_080;
const TCP_PORT = 18_081;
const WIDE = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 720 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

// Of the person whose page it is; the tokens are chosen so that the tiles of all differ.
const TOKEN = "00000000000000000000000000000019";

type Line = readonly [who: string, data: unknown];

const TALK: readonly Line[] = [
  ["Teo", "The programme is at https://fiesta.example/programme (a draft: complain now, not on Saturday)"],
  ["Inés", "Lovely. But the brass band at six, right beside the chess tables?"],
  ["Inés", "Somebody will lose a queen 🎺"],
  ["Omar", "Could chess go under the laurels?"],
  ["fountain", { litresPerMinute: 41.5, level: "ok" }],
  ["Lupita", "The fountain is talking again! What is it on?"],
  ["Teo", "UDP, one datagram an hour. I read it with nc from my kitchen."],
  [
    "Omar",
    "Chess under the laurels, then. It costs us:\n1. two people\n2. half an hour\n3. the goodwill of don Chucho",
  ],
  ["Inés", "<img src=x onerror=alert(1)> ← and this page does not fall for it"],
  ["Lupita", "Text is text here. I bring coffee ☕ at nine, who carries tables?"],
];

async function main(): Promise<void> {
  mkdirSync(IMAGES, { recursive: true });
  const server = spawn(
    process.execPath,
    [
      join(ROOT, "packages/zocalo/dist/bin.js"),
      "serve",
      ...[
        "--http-port",
        String(HTTP_PORT),
        "--tcp-port",
        String(TCP_PORT),
        "--udp-port",
        "off",
        "--arena",
        "off",
      ],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(server.stdout, "data");
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    env: { ...process.env, FONTCONFIG_FILE: fontsFile() },
  });
  try {
    await takePictures(browser);
  } finally {
    await browser.close();
    server.kill();
  }
}

async function takePictures(browser: Browser): Promise<void> {
  const people = new Map<string, Person>();
  for (const name of ["Inés", "Omar", "Teo", "Lupita", "fountain"])
    people.set(name, await Person.enter(name));
  const say = async (who: string, channel: string, data: unknown) => {
    await people.get(who)?.publish(channel, typeof data === "string" ? { text: data } : data);
  };
  await say("Inés", "plaza:_rooms", { slug: "fiesta", title: "Fiesta" });

  const page = await visit(browser, WIDE);
  await page.getByTestId("name-input").fill("Ana");
  await page.getByTestId("join-button").click();
  await page.waitForSelector("[data-state=connected]");
  for (const [who, data] of TALK) await say(who, "plaza:general", data);
  await page.getByTestId("composer-input").fill("I do, and I bring my brother 💪");
  await page.keyboard.press("Enter");
  await say("Teo", "plaza:ideas", "A bookshelf in the kiosk");
  await say("Omar", "plaza:ideas", "And a chair");
  await page.locator(".badge").waitFor();
  await page.locator("[data-delivery=committed][data-mine=yes]").waitFor();
  await page.waitForTimeout(1_000); // Until what moves has come to rest.
  await page.screenshot({ path: join(IMAGES, "plaza.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForTimeout(1_000);
  await page.screenshot({ path: join(IMAGES, "plaza-dark.png") });

  const phone = await visit(browser, PHONE, page);
  await phone.getByTestId("message").last().waitFor();
  await phone.waitForTimeout(1_000);
  await phone.screenshot({ path: join(IMAGES, "plaza-phone.png") });
  for (const person of people.values()) person.leave();
}

/** Opens the page, as the person who has opened it in another window if there is one. */
async function visit(browser: Browser, options: BrowserContextOptions, same?: Page): Promise<Page> {
  const storageState = await same?.context().storageState();
  const context = await browser.newContext({
    ...options,
    ...(storageState === undefined ? {} : { storageState }),
  });
  const page = await context.newPage();
  if (same === undefined)
    await page.addInitScript((token) => localStorage.setItem("plaza.token", token), TOKEN);
  await page.goto(`http://localhost:${HTTP_PORT}/`);
  return page;
}

/** Somebody on the square by TCP. */
class Person {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  static async enter(name: string): Promise<Person> {
    const socket = connect(TCP_PORT, "127.0.0.1");
    await once(socket, "connect");
    const person = new Person(socket);
    await person.#ask({ type: "connect", token: `token 1497 of ${name}, for a picture`, info: { name } });
    await person.#ask({ type: "subscribe", channel: "plaza:general" });
    return person;
  }

  async publish(channel: string, data: unknown): Promise<void> {
    await this.#ask({ type: "publish", channel, data });
  }

  leave(): void {
    this.#socket.destroy();
  }

  async #ask(command: object): Promise<void> {
    const id = ++this.#lastId;
    this.#socket.write(`${JSON.stringify({ ...command, id })}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error("the server has closed the connection");
      const answer = JSON.parse(value) as { readonly id?: number; readonly type: string };
      if (answer.type === "error") throw new Error(value);
      if (answer.id === id) return;
    }
  }
}

await main();
