// The completion scripts, in the shells that this machine has.
import { spawnSync } from "node:child_process";
import { spawn } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run, temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const has = (shell: string) => spawnSync(shell, ["--version"]).status === 0;
let script = "";
beforeAll(async () => {
  script = files.write("qrhead.bash", (await run(["completion", "bash"])).stdout);
});
afterAll(() => files.remove());

/** What bash offers after these words, the last of which is being typed. */
function offered(...words: string[]): string[] {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const commands = `. '${script}'; COMP_WORDS=(qrhead ${quoted}); COMP_CWORD=${words.length}; _qrhead; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", commands], { encoding: "utf8", cwd: files.folder });
  expect(stderr).toBe("");
  return stdout.split("\n").filter(Boolean);
}

describe.skipIf(!has("bash"))("bash completes", () => {
  it("commands, those inside others, options, and the words that an option takes", () => {
    expect(offered("re")).toEqual(expect.arrayContaining(["rerank", "retrieval-heads"]));
    expect(offered("heads", "")).toEqual(expect.arrayContaining(["list", "show", "trim"]));
    expect(offered("heads", "sh")).toEqual(["show"]);
    expect(offered("rerank", "q", "--top")).toEqual(["--top-k"]);
    expect(offered("rerank", "--merge", "t")).toEqual(["tournament"]);
    expect(offered("rerank", "--gpu", "")).toEqual(["auto", "false", "cuda", "vulkan", "metal"]);
    expect(offered("heads", "show", "x", "--gpu-l")).toEqual(["--gpu-layers"]);
  });

  it("files where a file belongs", () => {
    files.write("notes.jsonl", "");
    expect(offered("rerank", "q", "no")).toEqual(["notes.jsonl"]);
    expect(offered("rerank", "-m", "no")).toEqual(["notes.jsonl"]);
  });
});

/** What fish offers for a line that ends where the cursor is. */
function offeredByFish(line: string): string[] {
  const commands = `source '${files.path("qrhead.fish")}'; complete -C ${JSON.stringify(line)}`;
  const { stdout, stderr } = spawnSync("fish", ["-N", "-c", commands], { encoding: "utf8", cwd: files.folder });
  expect(stderr).toBe("");
  return stdout.split("\n").flatMap((one) => one.split("\t")[0] || []);
}

describe.skipIf(!has("fish"))("fish completes", () => {
  beforeAll(async () => void files.write("qrhead.fish", (await run(["completion", "fish"])).stdout));

  it("commands, those inside others, options, and the words that an option takes", () => {
    expect(offeredByFish("qrhead re")).toEqual(expect.arrayContaining(["rerank", "retrieval-heads"]));
    expect(offeredByFish("qrhead heads sh")).toEqual(["show"]);
    expect(offeredByFish("qrhead rerank q --top")).toEqual(["--top-k"]);
    expect(offeredByFish("qrhead rerank --merge to")).toEqual(["tournament"]);
    expect(offeredByFish("qrhead submit rerank --in-f")).toEqual(["--in-flight"]);
  });
});

describe.skipIf(!has("zsh"))("zsh completes", () => {
  /** The line after Tab was pressed behind it, in an interactive shell: a key of the test's own presses it and prints the line. */
  async function completed(line: string): Promise<string> {
    const script = files.write("qrhead.zsh", (await run(["completion", "zsh"])).stdout);
    const shell = spawn("zsh", ["-f", "-i"], { cols: 200, cwd: files.folder });
    let text = "";
    shell.onData((part) => (text += part));
    const found = async (pattern: RegExp) => {
      for (;;) {
        const match = pattern.exec(text);
        if (match) return match;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const press = 'press() { zle expand-or-complete; print -r -- "<$BUFFER>" }; zle -N press; bindkey "^T" press';
    shell.write(`autoload -Uz compinit; compinit -D -u; source '${script}'; ${press}; echo rea''dy\n`);
    await found(/ready/);
    shell.write(`${line}\u0014`);
    const [, whole] = await found(/<(qrhead[^>\r\n]*)>/);
    shell.kill();
    return whole!.trimEnd();
  }

  it.each([
    ["qrhead heads sh", "qrhead heads show"],
    ["qrhead rerank --merge to", "qrhead rerank --merge tournament"],
    ["qrhead models pu", "qrhead models pull"],
    ["qrhead rerank --window-s", "qrhead rerank --window-size"],
  ])("%s", async (line, whole) => {
    expect(await completed(line)).toBe(whole);
  });
});

describe.each(["bash", "zsh", "fish"])("the script for %s", (shell) => {
  it("names every command and option", async () => {
    const { stdout, code } = await run(["completion", shell]);
    expect(code).toBe(0);
    const words =
      shell === "fish" ? ["rerank", "-l window-size", "-s k", "pull"] : ["rerank", "--window-size", "-k", "pull"];
    for (const word of words) expect(stdout).toContain(word);
    if (!has(shell)) return;
    const { status, stderr } = spawnSync(shell, ["-n", files.write(`words.${shell}`, stdout)], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});

it("another shell is refused with those that there are", async () => {
  const { code, stderr } = await run(["completion", "ksh"]);
  expect([code, stderr]).toEqual([2, 'qrhead: Expected one of bash, zsh, fish for the shell but received "ksh"\n']);
});
