// The built command as a process, and everybody who can speak to it: two pages in a real browser, nc over TCP
// and UDP, a UDP socket.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { type Client, Netcat, TcpClient, textOf, UdpClient } from "./e2e-clients.ts";
import { type Ports, ServerProcess } from "./e2e-server.ts";

const CHANNEL = "plaza:general";
let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/** A person at the page. */
class Visitor {
  readonly page: Page;
  /** What the page complained about. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      // The browser reports a lost connection by itself.
      if (message.type() === "error" && !/WebSocket connection/.test(message.text()))
        this.complaints.push(message.text());
    });
  }

  /** Opens the page in a browser profile of its own and comes in by that name. */
  static async enter(ports: Ports, name: string): Promise<Visitor> {
    const context = await browser.newContext();
    const visitor = new Visitor(await context.newPage());
    const { page } = visitor;
    await page.goto(`http://localhost:${ports.http}/`);
    await page.getByTestId("name-input").fill(name);
    await page.getByTestId("join-button").click();
    await visitor.isConnected();
    return visitor;
  }

  async isConnected(): Promise<void> {
    await this.page
      .locator('[data-testid="connection-state"][data-state="connected"]')
      .waitFor({ state: "attached" });
  }

  async hasLostConnection(): Promise<void> {
    await this.page
      .locator('[data-testid="connection-state"]:not([data-state="connected"])')
      .waitFor({ state: "attached" });
  }

  async say(text: string): Promise<void> {
    await this.page.getByTestId("composer-input").fill(text);
    await this.page.getByTestId("send-button").click();
  }

  /** Waits until the message with this offset is shown. */
  async sees(offset: number): Promise<void> {
    await this.page.locator(`[data-testid="message"][data-offset="${offset}"]`).waitFor();
  }

  /** Offsets of what is shown, from top to bottom. */
  async offsets(): Promise<number[]> {
    const messages = this.page.locator('[data-testid="message"][data-offset]');
    return messages.evaluateAll((elements) =>
      elements.map((element) => Number(element.getAttribute("data-offset"))),
    );
  }

  /** What is shown of the message with this offset. */
  async textAt(offset: number): Promise<string> {
    return this.page.locator(`[data-testid="message"][data-offset="${offset}"]`).innerText();
  }
}

/** Subscribes, and asks for everything that was said. */
async function join(client: Client): Promise<void> {
  client.send({ type: "subscribe", id: 1, guest: true, channel: CHANNEL, last: 100 });
  await client.received.next("subscribed");
}

test("browsers, nc and UDP talk in one room, come back after a crash, and part in order", async () => {
  await using first = await ServerProcess.start();
  const { ports } = first;
  const ana = await Visitor.enter(ports, "Ana");
  const ben = await Visitor.enter(ports, "Ben");
  await using nc = new Netcat("localhost", String(ports.tcp));
  await using ncUdp = new Netcat("-u", "localhost", String(ports.udp));
  await using udp = await UdpClient.connect(ports.udp);
  const programs = { nc, ncUdp, udp };
  for (const program of Object.values(programs)) await join(program);

  // Everybody says something, one after the other, so that the order is known.
  const said: string[] = [];
  const heard = async (text: string) => {
    said.push(text);
    const offset = said.length;
    for (const { received } of Object.values(programs)) {
      const publication = await received.next("publication", (message) => message.offset === offset);
      assert.equal(textOf(publication.data), text);
    }
    for (const visitor of [ana, ben]) {
      await visitor.sees(offset);
      assert.ok((await visitor.textAt(offset)).includes(text));
    }
  };
  await ana.say("hola, soy Ana");
  await heard("hola, soy Ana");
  await ben.say("<img src=x onerror=alert(1)>");
  await heard("<img src=x onerror=alert(1)>");
  // The address that is shown is the one that a click goes to, whatever direction stands before it and in it.
  await ana.say("\u202ehttps://a.example/\u202emoc.knab//:sptth");
  await heard("\u202ehttps://a.example/\u202emoc.knab//:sptth");
  const link = ben.page.locator(`[data-testid="message"][data-offset="${said.length}"] a`);
  assert.equal(await link.innerText(), "https://a.example/");
  assert.equal(await link.evaluate((element) => getComputedStyle(element).unicodeBidi), "isolate");
  for (const [name, program] of Object.entries(programs)) {
    program.send({ type: "publish", id: 2, channel: CHANNEL, data: { text: `hola de ${name}` } });
    assert.equal((await program.received.next("published")).offset, said.length + 1);
    await heard(`hola de ${name}`);
  }

  // Then all at once: whatever order the server decides on, it is the same for everybody.
  // nc over UDP says one thing only: two lines that it reads at once it would put into one datagram.
  const burst = 20;
  const from = said.length;
  for (let i = 0; i < burst; i++) {
    const program = i === 0 ? ncUdp : i % 2 === 0 ? nc : udp;
    program.send({ type: "publish", channel: CHANNEL, data: { text: `burst ${i}` } });
  }
  await ana.say("burst from Ana");
  await ben.say("burst from Ben");
  const head = from + burst + 2;
  for (const { received } of Object.values(programs)) {
    await received.next("publication", ({ offset }) => offset === head);
  }
  for (const visitor of [ana, ben]) {
    await visitor.sees(head);
    assert.deepEqual(
      await visitor.offsets(),
      Array.from({ length: head }, (_, i) => i + 1),
    );
  }
  assert.deepEqual(ncUdp.received.publications, nc.received.publications);
  assert.deepEqual(udp.received.publications, nc.received.publications);
  for (const [i, line] of nc.received.publications.entries()) {
    const text = line.slice(line.indexOf(" ") + 1);
    for (const visitor of [ana, ben]) assert.ok((await visitor.textAt(i + 1)).includes(text), line);
  }

  // The server crashes; the pages say so, and come back by themselves when it does.
  assert.deepEqual(await first.kill("SIGKILL"), { code: null, signal: "SIGKILL" });
  await Promise.all([ana.hasLostConnection(), ben.hasLostConnection()]);
  await using second = await ServerProcess.start(ports);
  assert.deepEqual(second.ports, ports);
  await Promise.all([ana.isConnected(), ben.isConnected()]);
  await using back = await TcpClient.connect(ports.tcp);
  await join(back);
  await ana.say("still here");
  const { data, offset } = await back.received.next("publication");
  assert.equal(textOf(data), "still here");
  await ben.page
    .locator(`[data-testid="message"][data-offset="${offset}"]`, { hasText: "still here" })
    .waitFor();
  back.send({ type: "publish", id: 3, channel: CHANNEL, data: { text: "so are we" } });
  const published = await back.received.next("published");
  for (const visitor of [ana, ben]) {
    await visitor.page
      .locator(`[data-testid="message"][data-offset="${published.offset}"]`, { hasText: "so are we" })
      .waitFor();
  }

  // SIGTERM: everybody is told to go, and the process ends well.
  await using lastUdp = await UdpClient.connect(ports.udp);
  await join(lastUdp);
  const closeCode = ben.page.evaluate(
    (url) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(url);
        socket.addEventListener("message", () => document.body.setAttribute("data-probe", "open"));
        socket.addEventListener("open", () => socket.send('{"type":"ping"}'));
        socket.addEventListener("close", (event) => resolve(event.code));
      }),
    `ws://localhost:${ports.http}/ws`,
  );
  await ben.page.locator('body[data-probe="open"]').waitFor();
  const ended = second.kill("SIGTERM");
  for (const { received } of [back, lastUdp]) {
    const { code, reconnect } = await received.next("disconnect");
    assert.deepEqual([code, reconnect], [1001, true]);
  }
  await back.ended;
  assert.equal(await closeCode, 1001);
  assert.deepEqual(await ended, { code: 0, signal: null });
  assert.deepEqual([...ana.complaints, ...ben.complaints], []);
});
