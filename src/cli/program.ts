import { readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { packageRoot } from "../native/package-root.ts";
import { GroupedCommand } from "./help.ts";
import { addCommonOptions } from "./options.ts";
import { print } from "./output.ts";
import { assertRequired } from "./required-flags.ts";

type Registration = (program: Command) => void;
type Entry = { says: string; group?: string; load: () => Promise<Registration> };

const FINDING = "Finding heads:";
const MACHINE = "Models and this machine:";

/** Every command in the order that help lists them; the code of one is loaded when it is asked for. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  rerank: {
    says: "rank documents for a question",
    load: async () => (await import("./commands/rerank.ts")).registerRerank,
  },
  prune: {
    says: "shorten a text to what a question needs",
    load: async () => (await import("./commands/prune.ts")).registerPrune,
  },
  ask: {
    says: "answer a question from files, with sources",
    load: async () => (await import("./commands/ask.ts")).registerAsk,
  },
  retrieve: {
    says: "find the passages that answer a question",
    load: async () => (await import("./commands/retrieve.ts")).registerRetrieve,
  },
  index: {
    says: "make or update an index of many files",
    load: async () => (await import("./commands/index.ts")).registerIndex,
  },
  serve: {
    says: "serve rerank, prune and retrieve over HTTP, with a page",
    load: async () => (await import("./commands/serve.ts")).registerServe,
  },
  mcp: {
    says: "serve tools over given folders to assistants (MCP)",
    load: async () => (await import("./commands/mcp.ts")).registerMcp,
  },
  worker: {
    says: "run jobs that qrhead submit puts into Redis",
    load: async () => (await import("./commands/worker.ts")).registerWorker,
  },
  submit: {
    says: "have workers rerank, evaluate or find heads",
    load: async () => (await import("./commands/submit.ts")).registerSubmit,
  },
  inspect: {
    says: "write a page that shows where the attention goes",
    load: async () => (await import("./commands/inspect.ts")).registerInspect,
  },
  demo: {
    says: "rank built-in passages with the built-in model",
    load: async () => (await import("./commands/demo.ts")).registerDemo,
  },
  heads: {
    ...{ group: FINDING, says: "list, show, trim, compare, export and draw head sets" },
    load: async () => (await import("./commands/heads.ts")).registerHeads,
  },
  detect: {
    ...{ group: FINDING, says: "find a model's retrieval heads" },
    load: async () => (await import("./commands/detect.ts")).registerDetect,
  },
  "retrieval-heads": {
    ...{ group: FINDING, says: "find heads that copy from a haystack (Wu et al.)" },
    load: async () => (await import("./commands/retrieval-heads.ts")).registerRetrievalHeads,
  },
  models: {
    ...{ group: MACHINE, says: "list, download and remove models" },
    load: async () => (await import("./commands/models.ts")).registerModels,
  },
  slim: {
    ...{ group: MACHINE, says: "write a GGUF without the layers that the heads do not need" },
    load: async () => (await import("./commands/slim.ts")).registerSlim,
  },
  doctor: {
    ...{ group: MACHINE, says: "check this machine, the libraries and a model" },
    load: async () => (await import("./commands/doctor.ts")).registerDoctor,
  },
  completion: {
    ...{ group: MACHINE, says: "print a shell completion script" },
    load: async () => (await import("./commands/completion.ts")).registerCompletion,
  },
  bench: {
    ...{ group: MACHINE, says: "measure speed and memory on this machine" },
    load: async () => (await import("./commands/bench.ts")).registerBench,
  },
  eval: {
    ...{ group: MACHINE, says: "measure retrieval and reranking on labelled data" },
    load: async () => (await import("./commands/eval.ts")).registerEval,
  },
  "eval-answer": {
    ...{ group: MACHINE, says: "measure answers from retrieved documents (CLIPPER, LoCoMo)" },
    load: async () => (await import("./commands/eval-answer.ts")).registerEvalAnswer,
  },
  reproduce: {
    ...{ group: MACHINE, says: "measure a table of the QRHead paper again" },
    load: async () => (await import("./commands/reproduce.ts")).registerReproduce,
  },
};

const EXAMPLES = `
Examples:
  $ qrhead rerank "why is the sky blue" notes.jsonl
Exit codes: 0, 1 for a run that failed, 2 for wrong arguments or input.`;

/** The version of the package. */
function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8")) as { version: string };
  return version;
}

/**
 * The command line: parsing throws what went wrong.
 *
 * @param names The commands to load, of which the others have a name and a description alone. Defaults to all.
 */
export async function createProgram(names: readonly string[] = Object.keys(COMMANDS)): Promise<Command> {
  const program: Command = addCommonOptions(new GroupedCommand("qrhead"))
    .description("Rank documents with the attention heads of GGUF models.")
    .version(packageVersion(), "-V, --version", "print the version")
    .addHelpText("after", EXAMPLES)
    // Errors are reported in one place, in one form; what commander still writes to standard error is help.
    .configureOutput({ writeErr: print, outputError: () => {} })
    .exitOverride()
    .hook("preAction", async (_, command) => {
      (await import("./config.ts")).applyConfig(command);
      assertRequired(command);
    });
  for (const option of program.options) {
    if (/quiet|verbose/.test(option.long!)) option.hideHelp();
    else option.helpGroup("Options:");
  }
  for (const [name, { says, group, load }] of Object.entries(COMMANDS)) {
    if (names.includes(name)) (await load())(program);
    else program.command(name).description(says);
    if (group) program.commands.at(-1)!.helpGroup(group);
  }
  return program;
}
