import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { describe as inOneLine } from "../../src/cli/failure.ts";
import { withFlags } from "../../src/cli/flag-words.ts";
import { modelLabel } from "../../src/cli/model-label.ts";
import { shellWords } from "../../src/cli/shell-words.ts";
import { ContextOverflowError, InputError, invalidArgument } from "../../src/errors.ts";
import { BUILT_IN_MODEL } from "../../src/model/built-in.ts";
import type { ModelIdentity } from "../../src/types.ts";

describe("an error on the command line names flags where the library names options", () => {
  it.each<[error: Error, line: string]>([
    [
      new ContextOverflowError(81, 64),
      "The prompt has 81 tokens but the context holds 64: use a --context-size of at least 81, pass fewer documents, or cut " +
        "long ones with --max-document-tokens",
    ],
    [
      new InputError("INVALID_INPUT", "The output topK.json exists", { advice: "pass force: true to replace it" }),
      "The output topK.json exists: pass --force to replace it",
    ],
    [invalidArgument("windows.windowTokens", "an integer", 5), "Expected an integer for --window-size but received 5"],
    [
      invalidArgument("the limit", "one of budgetTokens, threshold and topK", "none"),
      'Expected one of --budget, threshold and --top-k for the limit but received "none"',
    ],
  ])("%s", (error, line) => {
    expect(inOneLine(error)).toBe(line);
  });

  it.each([
    ['use prompt: "plain", which needs none', "use --prompt plain, which needs none"],
    ["try gpu: false or mask: false", "try --gpu false or --no-mask"],
    ["rank in windows: { windowTokens: 1024 }", "rank in --window-size 1024"],
    [
      "heads, model and context stay; so do 2:30 and someCamel",
      "heads, model and context stay; so do 2:30 and someCamel",
    ],
  ])("%s", (text, expected) => {
    expect(withFlags(text)).toBe(expected);
  });
});

describe("what goes to a terminal", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    vi.resetModules();
    process.stdout.isTTY = false;
  });
  const evil = "\u001b[31mred\u001b]0;title\u0007\u202eturned\u009b5m\r\u0000\tstays\nas does this";
  const clean = "[31mred]0;titleturned5m\tstays\nas does this";

  async function output(isTTY: boolean) {
    vi.stubEnv("TERM", "xterm");
    vi.stubEnv("NO_COLOR", "");
    process.stdout.isTTY = isTTY;
    const [stdout, stderr]: string[][] = [[], []];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => stdout!.push(String(text)) > 0);
    vi.spyOn(process.stderr, "write").mockImplementation((text) => stderr!.push(String(text)) > 0);
    const written = () => ({ stdout: stdout!.join(""), stderr: stderr!.join("") });
    return { ...(await import("../../src/cli/output.ts")), written };
  }

  it("holds no control characters of others, on either stream, and only our own styles", async () => {
    const { print, note, bold, written } = await output(true);
    print(`${bold("name")} ${evil}`);
    note(evil);
    expect(written()).toEqual({
      stdout: `\u001b[1mname\u001b[22m ${clean}\u001b[0m\n`,
      stderr: `${clean}\n`,
    });
  });

  it("is JSON that says the same without them", async () => {
    const { printJson, written } = await output(false);
    printJson({ evil });
    expect(JSON.parse(written().stdout)).toEqual({ evil });
    expect(written().stdout).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u);
  });

  it.each([
    [true, clean],
    [false, evil],
  ])("is a text as it was only where no terminal shows it (terminal: %s)", async (isTTY, expected) => {
    const { printText, written } = await output(isTTY);
    printText(evil);
    expect(written().stdout).toBe(`${expected}\n`);
  });

  it("is written in one place", () => {
    const folder = new URL("../../src/cli/", import.meta.url);
    const writers = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (file) => /\.ts$/.test(file) && /process\.std(out|err)\.write/.test(readFileSync(new URL(file, folder), "utf8")),
    );
    expect(writers).toEqual(["output.ts"]);
  });
});

it("shows the file's name beside a model's name that does not agree with it", () => {
  const label = (name: string, fileName: string, path = `/models/${fileName}`) =>
    modelLabel({ name, fileName, path } as ModelIdentity & { path: string });
  const smollm = "SmolLM2-135M-Instruct.Q4_1.gguf";
  expect(label("Smollm2 135M 8k Lc100K Mix1 Ep2", smollm)).toBe(`Smollm2 135M 8k Lc100K Mix1 Ep2 (${smollm})`);
  expect(label("Gemma 3 270m", "gemma-3-270m-Q4_K_M.gguf")).toBe("Gemma 3 270m");
  expect(label("qrhead mini v3", "anything.gguf", BUILT_IN_MODEL)).toBe("qrhead mini v3");
});

it("a command that is shown can be pasted, into a shell and on Windows", () => {
  const words = ["qrhead", "-m", "C:\\models\\a b.gguf", "it's"];
  expect(shellWords(words, false)).toBe("qrhead -m 'C:\\models\\a b.gguf' 'it'\\''s'");
  expect(shellWords([...words, "C:\\a.gguf"], true)).toBe('qrhead -m "C:\\models\\a b.gguf" "it\'s" C:\\a.gguf');
});
