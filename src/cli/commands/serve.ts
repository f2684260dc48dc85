import type { Command } from "commander";
import { DEVICE } from "../../options/model.ts";
import { SERVING } from "../../options/serving.ts";
import type { ServeOptions } from "../../options/types/serving.ts";
import { startServer } from "../../serve/server.ts";
import { defined, optionsFrom } from "../flags.ts";
import { addHelp } from "../help.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addOptions,
  addPassOptions,
  addPromptOptions,
  type CommonFlags,
  type ModelFlags,
  type PassFlags,
  type PromptFlags,
  toLoadOptions,
  toPassOptions,
  withFlag,
} from "../options.ts";
import { print, warn } from "../output.ts";
import { untilStopped } from "../until-stopped.ts";

type ServeFlags = CommonFlags & Omit<ModelFlags, "model" | "check"> & PromptFlags & PassFlags & { heads?: string };

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

/** `qrhead serve`: answers rerank requests over HTTP. */
export function registerServe(program: Command): void {
  const command = program.command("serve").description("serve rerank, prune and retrieve over HTTP");
  addOptions(command, [...withFlag(SERVING), ...Object.values(DEVICE)]);
  addHeadsOption(command);
  addPassOptions(addPromptOptions(command));
  addHelp(addCommonOptions(command), HELP).action(serve);
}

async function serve(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ServeFlags>();
  const { prompt, nullQuery } = flags;
  const { model: __, ...load } = toLoadOptions(flags);
  const given = optionsFrom<ServeOptions>(SERVING, flags);
  const ownKey = process.env.QRHEAD_API_KEY;
  const options: ServeOptions = {
    ...given,
    load: defined({ ...load, prompt, nullQuery, ...toPassOptions(flags) }),
    apiKeys: [...(given.apiKeys ?? []), ...(ownKey ? [ownKey] : [])],
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
