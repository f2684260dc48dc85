// What the command line does at a terminal, which it does not do in a pipe.
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";
import { atTerminal } from "../helpers/terminal.ts";

const files = temporaryFolder();
const docs = files.write(
  "docs.txt",
  `Bees make honey from nectar. ${"It is sweet. ".repeat(30)}\nGranite is a rock.\n`,
);
const RERANK = ["rerank", "What do bees make?", docs, "--threads", "1"];
const MINUTES = 180_000;
/** Whole escape sequences of colours and styles. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them.
const STYLE = /\u001b\[[\d;]*m/g;
/** Clears a line, on which progress was shown where a call takes long enough. */
const CLEARED = "\u001b[2K";
afterAll(() => files.remove());

describe.skipIf(process.platform === "win32")("at a terminal", () => {
  it(
    "a table is as wide as the terminal, with a bold head, and NO_COLOR leaves styles out",
    async () => {
      const wide = atTerminal(RERANK, { columns: 100 });
      const narrow = atTerminal(RERANK, { columns: 60, env: { NO_COLOR: "1" } });
      expect([await wide.ended, await narrow.ended]).toEqual([0, 0]);
      expect(wide.output()).toContain("\u001b[1mRank");
      expect(narrow.output()).not.toMatch(STYLE);
      const widest = (text: string) => Math.max(...rows(text).map((line) => line.length));
      expect(widest(wide.output())).toBeGreaterThan(80);
      expect(widest(wide.output())).toBeLessThanOrEqual(100);
      expect(widest(narrow.output())).toBeLessThanOrEqual(60);
    },
    MINUTES,
  );

  it(
    "no file and nothing piped in is an error, and not a wait",
    async () => {
      const asked = atTerminal(["rerank", "What do bees make?"]);
      expect(await asked.ended).toBe(2);
      expect(asked.output()).toMatch(/^qrhead: Expected files after the question/);
    },
    MINUTES,
  );

  it(
    "standard input that was asked for is read from the keys, with a word about how it ends",
    async () => {
      const asked = atTerminal(["rerank", "What do bees make?", "-", "--threads", "1", "--format", "ids"]);
      await asked.shows(/Reading documents from the terminal: end with Ctrl\+D/);
      asked.write("Bees make honey.\nGranite is a rock.\n\u0004");
      expect(await asked.ended).toBe(0);
      expect(asked.output().replaceAll(CLEARED, "\r\n")).toMatch(/\r\n[01]\r\n[01]\r\n$/);
    },
    MINUTES,
  );

  it(
    "Ctrl+C ends it with 130",
    async () => {
      const asked = atTerminal(["rerank", "What do bees make?", "-"]);
      await asked.shows(/from the terminal/);
      asked.write("\u0003");
      expect(await asked.ended).toBe(130);
      expect(asked.output()).toMatch(/qrhead: interrupted\r\n$/);
    },
    MINUTES,
  );
});

describe.skipIf(process.platform === "win32")("a model without known heads, at a terminal", () => {
  const model = modelPath("tiny-llama");
  const unknown = [...RERANK, "-m", model];

  it(
    "ranks with all heads where that is chosen",
    async () => {
      const asked = atTerminal(unknown);
      await asked.shows(/No head set is published for .*[\s\S]*Choose 1, 2 or 3 \[1\]: $/);
      asked.write("\r");
      expect(await asked.ended).toBe(0);
      expect(asked.output()).toMatch(/16 heads of all|16 heads/);
    },
    MINUTES,
  );

  it(
    "finds the model's own heads where that is chosen, with the device that was asked for, and ranks with them",
    async () => {
      const folder = files.path("detecting");
      mkdirSync(folder);
      const asked = atTerminal(unknown, { cwd: folder, columns: 200 });
      await asked.shows(/\[1\]: $/);
      asked.write("2\r");
      expect(await asked.ended).toBe(0);
      const shown = asked.output();
      expect(shown).toMatch(/\$ qrhead detect -m \S+ --bootstrap -o tiny-llama-heads\.json .*--threads 1/);
      const set = JSON.parse(readFileSync(path.join(folder, "tiny-llama-heads.json"), "utf8"));
      expect(set).toMatchObject({ format: "qrhead-heads", model: { architecture: "llama" } });
      expect(shown).toContain(`${set.heads.length} heads of tiny-llama-heads.json`);
      expect(rows(shown).at(-3)).toMatch(/^ *Rank/);
    },
    10 * MINUTES,
  );

  it("takes its own heads where that is chosen and they have been found before", async () => {
    files.write("tiny-llama-heads.json", "[[1, 0], [2, 3]]");
    const asked = atTerminal(unknown, { cwd: files.folder, columns: 200 });
    await asked.shows(/\[1\]: $/);
    asked.write("2\r");
    expect(await asked.ended).toBe(0);
    expect(asked.output()).toMatch(/Taking the heads of tiny-llama-heads\.json/);
    expect(asked.output()).toMatch(/2 heads of tiny-llama-heads\.json/);
  }, 180_000);

  it(
    "fails in one line that names both commands where nothing is chosen, and does not ask with --json",
    async () => {
      const [stopped, json] = [atTerminal(unknown), atTerminal([...unknown, "--json"])];
      await stopped.shows(/\[1\]: $/);
      stopped.write("3\r");
      expect([await stopped.ended, await json.ended]).toEqual([2, 2]);
      const line = /qrhead: No head set .*--heads all .*qrhead detect -m .* --bootstrap -o tiny-llama-heads\.json\r\n$/;
      expect(stopped.output()).toMatch(line);
      expect(json.output()).toMatch(line);
      expect(json.output()).not.toContain("Choose");
    },
    MINUTES,
  );
});

/** The lines of a table, without styles. */
function rows(text: string): string[] {
  return text
    .split("\r\n")
    .map((line) => line.split(CLEARED).at(-1)!.replace(STYLE, ""))
    .filter((line) => /^ *(Rank|\d+ ) /.test(line));
}
