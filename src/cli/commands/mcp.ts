import type { Command } from "commander";
import { serveMcp } from "../../mcp/server.ts";
import { DEVICE } from "../../options/model.ts";
import { addHelp } from "../help.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addOptions,
  type CommonFlags,
  type ModelFlags,
  textOption,
  toLoadOptions,
} from "../options.ts";

type McpFlags = CommonFlags &
  Omit<ModelFlags, "library" | "check"> & { root?: string[]; heads?: string; generator?: string };

const HELP = {
  examples: ["qrhead mcp --root notes", "qrhead mcp --root notes --root . --generator Qwen3-8B-Q4_K_M.gguf"],
  details: `
Tools: rerank, prune, retrieve and ask, over files below the roots only. The protocol uses standard input and output.`,
};

/** `qrhead mcp`: tools for assistants, over the Model Context Protocol. */
export function registerMcp(program: Command): void {
  const command = program.command("mcp").description("serve tools to assistants over the Model Context Protocol");
  command
    .requiredOption("--root <DIR>", "folder that tools may read; repeatable", collect)
    .addOption(textOption("-m, --model <M>", "GGUF that ranks (default: the built-in model)", "a path or an hf: URI"))
    .addOption(textOption("--generator <M>", "GGUF that answers, for the tool ask", "a path or an hf: URI"));
  addOptions(command, [DEVICE.gpu, DEVICE.threads]);
  addHeadsOption(command);
  addHelp(addCommonOptions(command), HELP).action(mcp);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

async function mcp(_: unknown, command: Command): Promise<void> {
  const { root = [], model, heads, gpu, threads, generator } = command.optsWithGlobals<McpFlags>();
  const given = { model, heads, gpu, threads };
  const load = toLoadOptions(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  const defined = Object.fromEntries(Object.entries(load).filter(([, value]) => value !== undefined));
  const version = command.parent?.version() ?? "0";
  await serveMcp({ roots: root, load: defined, generator, version });
  process.exit(0);
}
