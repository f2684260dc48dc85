// The page in a real browser; skipped where there is no Chromium.
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUILT_IN_MODEL } from "../../src/index.ts";
import type { RunningServer } from "../../src/serve/server.ts";
import { serveTiny } from "../helpers/server.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) => existsSync(file));
/** Takes screenshots there, to be looked at. */
const screenshots = process.env.QRHEAD_SCREENSHOTS;

let server: RunningServer;
let browser: Browser;

describe.runIf(executablePath !== undefined)("the page of the server", () => {
  beforeAll(async () => {
    server = await serveTiny({ models: [BUILT_IN_MODEL], load: { gpu: false, threads: 1 } });
    browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens the page and collects what the browser complains of. */
  async function open(options: Parameters<Browser["newPage"]>[0] = {}, { url } = server) {
    const page = await browser.newPage(options);
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(url);
    return { page, complaints };
  }

  const text = async (page: Page, id: string) => (await page.locator(`#${id}`).textContent()) ?? "";
  const ranked = (page: Page) => page.locator("#kept-facts").filter({ hasText: "tokens" }).waitFor();

  for (const [name, width] of [
    ["desktop", 1200],
    ["phone", 390],
  ] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      it(`ranks, shades, prunes and tells the call, by keyboard alone (${name}, ${colorScheme})`, async () => {
        const { page, complaints } = await open({ viewport: { width, height: 800 }, colorScheme });
        await page.keyboard.press("Tab");
        expect(await page.evaluate("document.activeElement?.id")).toBe("query");
        for (const id of ["go", "texts", "files", "example"]) {
          await page.keyboard.press("Tab");
          expect(await page.evaluate("document.activeElement?.id")).toBe(id);
        }
        await page.keyboard.press("Enter");
        expect(await text(page, "count")).toBe("4 documents");
        await page.focus("#query");
        await page.keyboard.press("Enter");
        await ranked(page);
        expect(await page.locator("#ranking li").count()).toBe(4);
        expect(await page.locator("#ranking li").first().textContent()).toContain("Eiffel Tower stands");
        expect(await text(page, "timings")).toMatch(/ms in all · waited .* · documents .* · question .* · \d+ tokens/);
        const shades = await page
          .locator("#heat span")
          .evaluateAll((spans) => spans.map((span) => span.style.backgroundColor));
        expect(shades.some((shade) => shade !== "")).toBe(true);
        expect(await page.locator("#kept del").count()).toBeGreaterThan(0);
        expect(await page.locator("#kept span").allTextContents()).toContainEqual(
          expect.stringContaining("Eiffel Tower stands"),
        );
        const curl = await text(page, "curl");
        expect(curl).toContain(`curl ${server.url}/v1/rerank`);
        // The quoted body is the JSON that was sent.
        const body = JSON.parse(/-d '(.*)'$/s.exec(curl)![1]!.replaceAll("'\\''", "'"));
        expect(body).toMatchObject({ query: "Where is the Eiffel Tower?", documents: { length: 4 } });
        // Nothing is wider than the screen.
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
        expect(complaints).toEqual([]);
        if (screenshots) await page.screenshot({ path: `${screenshots}/${name}-${colorScheme}.png`, fullPage: true });
        await page.close();
      });
    }
  }

  it("takes files, and shows markup as text", async () => {
    const { page, complaints } = await open();
    const markup = "<img src=x onerror=alert(1)> The tower is in <b>Paris</b>.";
    await page.setInputFiles("#files", [
      { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from(markup) },
      { name: "b.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 2]) },
    ]);
    await page.locator("#list button").waitFor();
    expect(await text(page, "status")).toContain("b.bin is not text");
    await page.fill("#query", "Where is <i>it</i>?");
    await page.click("#go");
    await ranked(page);
    expect(await text(page, "ranking")).toContain(markup);
    expect(await page.locator("main img, main b, main i").count()).toBe(0);
    await page.click("#list button");
    expect(await text(page, "count")).toBe("0 documents");
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("says what is missing, and what the server says", async () => {
    const { page } = await open();
    await page.fill("#query", "Where?");
    await page.click("#go");
    expect(await text(page, "status")).toContain("Paste a document first");
    await page.route("**/v1/rerank", (route) => route.fulfill({ status: 429, json: { message: "The queue is full" } }));
    await page.fill("#texts", "a");
    await page.click("#go");
    await page.locator("#status.error").filter({ hasText: "The queue is full" }).waitFor();
    await page.close();
  });

  it("runs nothing but its own script", async () => {
    const { headers } = await fetch(server.url);
    const policy = headers.get("content-security-policy")!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain("unsafe");
    const html = await (await fetch(server.url)).text();
    expect(html).not.toMatch(/<script>|\sstyle="|\son\w+="/);
  });

  it("is off when it is not wanted", async () => {
    const other = await serveTiny({ page: false });
    try {
      expect((await fetch(other.url)).status).toBe(404);
      expect((await fetch(`${other.url}/page/page.js`)).status).toBe(404);
    } finally {
      await other.close();
    }
  });
});
