import { readFileSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { packageRoot } from "../native/addon.ts";
import { registerAsk } from "./commands/ask.ts";
import { registerBench } from "./commands/bench.ts";
import { registerDemo } from "./commands/demo.ts";
import { registerDetect } from "./commands/detect.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerEval } from "./commands/eval.ts";
import { registerEvalAnswer } from "./commands/eval-answer.ts";
import { registerHeads } from "./commands/heads.ts";
import { registerInspect } from "./commands/inspect.ts";
import { registerMcp } from "./commands/mcp.ts";
import { registerPrune } from "./commands/prune.ts";
import { registerRerank } from "./commands/rerank.ts";
import { registerRetrievalHeads } from "./commands/retrieval-heads.ts";
import { registerServe } from "./commands/serve.ts";
import { registerSlim } from "./commands/slim.ts";
import { addCommonOptions } from "./options.ts";
import { print } from "./output.ts";

/** In the order that help lists them. */
const commands = [
  registerDemo,
  registerRerank,
  registerPrune,
  registerAsk,
  registerServe,
  registerMcp,
  registerInspect,
  registerDetect,
  registerRetrievalHeads,
  registerHeads,
  registerEval,
  registerEvalAnswer,
  registerSlim,
  registerDoctor,
  registerBench,
];

const EXAMPLES = `
Examples:
  $ qrhead demo
  $ qrhead rerank --query "why is the sky blue" --docs notes.jsonl
  $ qrhead rerank --model model.gguf --query "…" --docs notes.jsonl --json
  $ qrhead doctor

Exit codes: 0, 1 for a run that failed, 2 for wrong arguments or input.`;

/** The command line with every command: parsing throws what went wrong. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8")) as { version: string };
  const program = new Command("qrhead")
    .description("Rank documents with the attention heads of GGUF models.")
    .version(version, "--version", "print the version");
  addCommonOptions(program)
    .addHelpText("after", EXAMPLES)
    // Errors are reported in one place, in one form; what commander still writes to standard error is help.
    .configureOutput({ writeErr: print, outputError: () => {} })
    .exitOverride();
  for (const register of commands) register(program);
  return program;
}
