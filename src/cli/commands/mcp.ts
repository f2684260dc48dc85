import type { Command } from "commander";
import { serveMcp } from "../../mcp/server.ts";
import { DEVICE, heads, model } from "../../options/model.ts";
import { SERVING_TOOLS } from "../../options/serving.ts";
import type { McpOptions } from "../../options/types/serving.ts";
import { defined, optionsFrom } from "../flags.ts";
import { addHelp } from "../help.ts";
import { addCommonOptions, addOptions, type CommonFlags, type ModelFlags, toLoadOptions } from "../options.ts";

type McpFlags = CommonFlags & Omit<ModelFlags, "library" | "check"> & { heads?: string };

const HELP = {
  examples: ["qrhead mcp --root notes", "qrhead mcp --root notes --root . --generator Qwen3-8B-Q4_K_M.gguf"],
  details: `
Tools: rerank, prune, retrieve and ask, over files below the roots only. The protocol uses standard input and output.`,
};

/** `qrhead mcp`: tools for assistants, over the Model Context Protocol. */
export function registerMcp(program: Command): void {
  const command = program.command("mcp").description("serve tools to assistants over the Model Context Protocol");
  const { roots, generator } = SERVING_TOOLS;
  const ranker = { ...model, flagSays: "GGUF that ranks", shortDefault: "the built-in model" };
  addOptions(command, [roots, ranker, generator, DEVICE.gpu, DEVICE.threads, heads]);
  addHelp(addCommonOptions(command), HELP).action(mcp);
}

async function mcp(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<McpFlags>();
  const { roots, generator } = optionsFrom<McpOptions>(SERVING_TOOLS, flags);
  const version = command.parent?.version() ?? "0";
  await serveMcp({ roots, load: defined(toLoadOptions(flags)), generator, version });
  process.exit(0);
}
