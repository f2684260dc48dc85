// The pages that qrhead writes, in a real browser; skipped where there is no Chromium.
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plotPage } from "../../src/heads/plot-page.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) => existsSync(file));
let browser: Browser;

describe.runIf(executablePath !== undefined)("the map of heads", () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  });
  afterAll(() => browser?.close());

  it.each(["light", "dark"] as const)("says what a head is beside the pointer, on %s paper", async (colorScheme) => {
    const page = await browser.newPage({ colorScheme });
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => complaints.push(message.text()));
    const model = { name: "m", architecture: "llama", layers: 1, heads: 2 };
    const set = { format: "qrhead-heads", version: 1, model, heads: [[0, 1]] } as const;
    await page.setContent(await plotPage({ ...set, scores: [[0.25, 1]] }, "mine"));
    await page.locator(".head rect").nth(1).hover();
    const tip = page.locator("#tip");
    await tip.waitFor({ state: "visible" });
    expect(await tip.textContent()).toBe("Layer 0, head 1: score 1, rank 1 of 2, number 1 of the set");
    const [ink, paper] = await page.evaluate<[string, string]>(
      "(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.querySelector('.qrhead-map')))",
    );
    const lightness = (color: string) => Number(/\d+/.exec(color)![0]);
    expect(Math.sign(lightness(paper) - lightness(ink))).toBe(colorScheme === "light" ? 1 : -1);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
