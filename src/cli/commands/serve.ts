import type { Command } from "commander";
import { DEVICE } from "../../options/model.ts";
import type { ServeOptions } from "../../serve/options.ts";
import { startServer } from "../../serve/server.ts";
import { wrongOption } from "../failure.ts";
import { addHelp } from "../help.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addOptions,
  addPassOptions,
  addPromptOptions,
  type CommonFlags,
  integerOption,
  type ModelFlags,
  type PassFlags,
  type PromptFlags,
  textOption,
  toLoadOptions,
  toPassOptions,
} from "../options.ts";
import { print, warn } from "../output.ts";

type ServeFlags = CommonFlags &
  Omit<ModelFlags, "model" | "check"> &
  PromptFlags &
  PassFlags & {
    model?: string[];
    heads?: string;
    host?: string;
    port?: number;
    apiKey?: string[];
    queue?: number;
    timeout?: number;
    maxBody?: number;
    memory?: number;
    idle?: number;
    corpora?: string;
    inProcess?: boolean;
    page: boolean;
  };

const HELP = {
  everyday: ["--model", "--port", "--api-key", "--queue", "--corpora", "--heads"],
  examples: ["qrhead serve", "qrhead serve -m big.gguf -m small.gguf --port 9000 --corpora corpora"],
  details: `
Routes: POST /v1/rerank, /v2/rerank, /rerank (Cohere, Jina, llama.cpp, TEI), /v1/prune, /v1/retrieve, /v1/corpora/NAME;
GET /health, /ready, /metrics, /openapi.json, /v1/models, and / for people.
QRHEAD_API_KEY is a key too. Ctrl+C and SIGTERM stop the server after its requests.

curl http://127.0.0.1:8080/v1/rerank -H 'content-type: application/json' \\
  -d '{"query": "why is the sky blue", "documents": ["Grass is green.", "Air scatters blue light."]}'`,
};

/** Options may be given several times. */
const collect = (value: string, before: string[] = []) => [...before, value];

/** `qrhead serve`: answers rerank requests over HTTP. */
export function registerServe(program: Command): void {
  const command = program.command("serve").description("serve rerank, prune and retrieve over HTTP");
  command
    .addOption(
      textOption("-m, --model <M>", "GGUF to serve; repeatable", "a path or an hf: URI").argParser(
        text("--model", "a path or an hf: URI"),
      ),
    )
    .addOption(textOption("--host <HOST>", "address to listen on (default: 127.0.0.1)", "an address"))
    .addOption(integerOption("--port <N>", "port, 0 for a free one (default: 8080)", 0, 65_535))
    .addOption(
      textOption("--api-key <KEY>", "key that requests must send; repeatable", "a key").argParser(
        text("--api-key", "a key"),
      ),
    )
    .addOption(integerOption("--queue <N>", "requests that may wait for a model (default: 100)", 1, 1_000_000))
    .addOption(integerOption("--timeout <S>", "seconds per request, waiting included (default: 120)", 1, 86_400))
    .addOption(integerOption("--max-body <MIB>", "MiB that a body may have (default: 32)", 1, 4096))
    .addOption(integerOption("--memory <MIB>", "MiB of model files that may be loaded together", 1, 2 ** 31))
    .addOption(integerOption("--idle <S>", "unload a model after S seconds without requests", 1, 2_000_000))
    .addOption(textOption("--corpora <DIR>", "folder of saved corpora", "a folder"))
    .option("--in-process", "load models into the server's own process")
    .option("--no-page", "no page at /");
  addOptions(command, Object.values(DEVICE));
  addHeadsOption(command);
  addPassOptions(addPromptOptions(command));
  addHelp(addCommonOptions(command), HELP).action(serve);
}

/** Parses an option that may be given several times. */
function text(flag: string, expected: string) {
  return (value: string, before?: string[]) => {
    if (value.trim() === "") throw wrongOption(flag, expected, value);
    return collect(value, before);
  };
}

async function serve(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ServeFlags>();
  const { model, gpu, gpuLayers, threads, library, heads, prompt, nullQuery } = flags;
  const device = { gpu, gpuLayers, threads, library, heads };
  const { model: __, ...load } = toLoadOptions(
    Object.fromEntries(Object.entries(device).filter(([, value]) => value !== undefined)),
  );
  const ownKey = process.env.QRHEAD_API_KEY;
  const options: ServeOptions = {
    models: model,
    load: { ...load, prompt, nullQuery, ...toPassOptions(flags) },
    apiKeys: [...(flags.apiKey ?? []), ...(ownKey ? [ownKey] : [])],
    ...{ host: flags.host, port: flags.port, queue: flags.queue, corpora: flags.corpora, page: flags.page },
    inProcess: flags.inProcess,
    timeout: times(flags.timeout, 1000),
    idle: times(flags.idle, 1000),
    maxBody: times(flags.maxBody, 2 ** 20),
    modelMemory: times(flags.memory, 2 ** 20),
    onWarning: warn,
  };
  const stopped = untilStopped();
  const starting = startServer(options);
  // A server that is stopped while its model loads never listens.
  const first = await Promise.race([starting, stopped]);
  if (first === undefined) {
    starting.catch(() => {});
    return process.exit(0);
  }
  print(`qrhead listening on ${first.url}`);
  await stopped;
  await first.close();
  process.exit(0);
}

/** Resolves at the first SIGTERM or Ctrl+C; the second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.on(name, () => {
        if (isStopping) process.exit(130);
        isStopping = true;
        resolve();
      });
    }
  });
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}
