// The completion scripts, in the shells that this machine has.
import { spawnSync } from "node:child_process";
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

describe.each(["bash", "zsh", "fish"])("the script for %s", (shell) => {
  it("names every command and option", async () => {
    const { stdout, code } = await run(["completion", shell]);
    expect(code).toBe(0);
    const words =
      shell === "fish" ? ["rerank", "-l window-size", "-s k", "pull"] : ["rerank", "--window-size", "-k", "pull"];
    for (const word of words) expect(stdout).toContain(word);
    if (!has(shell)) return;
    const { status, stderr } = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});

it("another shell is refused with those that there are", async () => {
  const { code, stderr } = await run(["completion", "ksh"]);
  expect([code, stderr]).toEqual([2, 'qrhead: Expected one of bash, zsh, fish for the shell but received "ksh"\n']);
});
