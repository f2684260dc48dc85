// What only Windows has: backslashes, UNC and long paths, files that cannot be replaced while they are open, consoles.
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { commandOf, winePrefix } from "./emulators.mjs";
import { check, step } from "./steps.mjs";
import { atTerminal } from "./terminal.mjs";
import { DOCUMENTS, main, rerank, runCommand, runProgram } from "./whole.mjs";

export async function windows(platform, folder) {
  const rank = (docs, more = []) =>
    JSON.parse(runCommand(platform, folder, [...rerank(docs), "--top-k", "1", ...more]).stdout);
  const isRight = ({ results }) => check(results[0].id === "1", JSON.stringify(results));
  await step(platform, "paths with backslashes and lines that end with CR LF", () => {
    mkdirSync(path.join(folder, "süb folder"));
    writeFileSync(path.join(folder, "süb folder", "dócs.txt"), DOCUMENTS.join("\r\n"));
    const found = rank(".\\süb folder\\dócs.txt");
    isRight(found);
    check(found.results.length === 1 && found.usage.documentTokens.length === DOCUMENTS.length, JSON.stringify(found));
  });
  await step(
    platform,
    "a program that is not called node.exe, with a worker thread, child processes and isolated",
    () => {
      const host = path.join(folder, "Eine Äpp.exe");
      copyFileSync(commandOf(platform, folder)[1], host);
      isRight(JSON.parse(runCommand(platform, folder, rerank(), { host }).stdout));
      const all = JSON.parse(runProgram(platform, folder, "together.mjs", [], { host }));
      check(all.length === 5, `${all.length} results`);
    },
  );
  await step(platform, "a UNC path, for documents, a model and an output", () => {
    // Wine looks shares up here.
    const share = path.join(winePrefix, "dosdevices", "unc", "qrhead-test");
    mkdirSync(share, { recursive: true });
    const link = path.join(share, `share-${process.pid}`);
    symlinkSync(folder, link);
    try {
      usePaths(`\\\\qrhead-test\\share-${process.pid}\\`, folder);
    } finally {
      // The next version of Node has a folder of its own.
      unlinkSync(link);
    }
  });
  await step(platform, "a path of 400 characters, for documents, a model and an output", () => {
    const names = Array.from({ length: 4 }, (_, i) => `${i}${"ü".repeat(99)}`);
    const long = path.join(folder, ...names);
    mkdirSync(long, { recursive: true });
    for (const name of ["documents.txt", "f32.gguf", "examples.jsonl"]) {
      copyFileSync(path.join(folder, name), path.join(long, name));
    }
    usePaths(`${names.join("\\")}\\`, long);
  });
  await step(platform, "a file is replaced while it is open", () => {
    const said = runProgram(platform, folder, "open-file.mjs");
    check(/^(replaced$|INVALID_INPUT: .* another program has it open)/.test(said), said);
    return said.replace(/: .*/, "");
  });
  await step(platform, "a console shows every character, whatever its code page", async () => {
    writeFileSync(path.join(folder, "signs.jsonl"), JSON.stringify({ id: "Ünï", text: "The Eiffel Tower: 日本" }));
    const args = [main, ...rerank("signs.jsonl").filter((word) => word !== "--json")];
    const { status, output } = await atTerminal(platform, folder, args);
    check(status === 0 && output.includes("Ünï"), `exit ${status}: ${JSON.stringify(output.slice(-800))}`);
  });

  function usePaths(there, here) {
    const model = ["--model", `${there}f32.gguf`, "--heads", "all"];
    isRight(rank(`${there}documents.txt`));
    rank(`${there}documents.txt`, model);
    const heads = `${there}heads-there.json`;
    const cpu = ["--gpu", "false", "--threads", "1"];
    const examples = ["--examples", `${there}examples.jsonl`];
    runCommand(platform, folder, ["detect", ...model.slice(0, 2), ...examples, "-o", heads, ...cpu]);
    check(existsSync(path.join(here, "heads-there.json")), "the output is missing");
    JSON.parse(readFileSync(path.join(here, "heads-there.json"), "utf8"));
  }
}
