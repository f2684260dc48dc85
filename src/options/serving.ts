import { isObject } from "../util/kinds.ts";
import { callback, integer, type OptionSet, other, text, texts, toggle } from "./spec.ts";

const LIMITS = "Limits";
const MIB = 2 ** 20;

/** What `qrhead serve` listens on, and what it allows; the options of loading are in `load`. */
export const SERVING = {
  models: texts({
    ...{ flag: "-m, --model <M>", expected: "paths or hf: URIs", flagExpected: "a path or an hf: URI", group: "Model" },
    says: "GGUF files or `hf:` URIs to serve, the first of them by default",
    ...{ flagSays: "GGUF to serve; repeatable", env: "QRHEAD_MODEL" },
    ...{ default: "the built-in model", shortDefault: "the built-in model" },
  }),
  load: other({
    ...{ type: 'Omit<LoadOptions, "model" | "signal" | "onProgress">', expected: "options of loading" },
    accepts: isObject,
    ...{ says: "how each is loaded", default: "the defaults of loading" },
  }),
  host: text({
    ...{ flag: "--host <HOST>", expected: "an address", value: "127.0.0.1" },
    ...{ says: "address to listen on", more: "The default is this machine only.", default: '`"127.0.0.1"`' },
  }),
  port: integer({ min: 0, max: 65_535, flag: "--port <N>", says: "port to listen on, 0 for a free one", value: 8080 }),
  apiKeys: texts({
    ...{ flag: "--api-key <KEY>", expected: "a list of keys", flagExpected: "a key" },
    ...{ says: "keys of which a request must bring one", default: "none, and no key is asked for" },
    flagSays: "key that requests must send; repeatable",
  }),
  queue: integer({
    ...{ min: 1, max: 1_000_000, flag: "--queue <N>", group: LIMITS, value: 100 },
    ...{ says: "requests of a model that may wait; one more is answered 429" },
    flagSays: "requests that may wait for a model",
  }),
  timeout: integer({
    ...{ min: 1, max: 86_400_000, unit: "milliseconds", value: 120_000, group: LIMITS },
    ...{
      flag: "--timeout <S>",
      flagUnit: ["seconds", 1000] as const,
      flagSays: "seconds per request, waiting included",
    },
    says: "time that a request may take, waiting included",
  }),
  maxBody: integer({
    ...{ min: 1, max: 4096 * MIB, unit: "bytes", value: 32 * MIB, group: LIMITS },
    ...{ flag: "--max-body <MIB>", flagUnit: ["MiB", MIB] as const, flagSays: "MiB that a body may have" },
    says: "size that a body may have",
  }),
  modelMemory: integer({
    ...{ min: 1, max: Number.MAX_SAFE_INTEGER, unit: "bytes", group: LIMITS },
    ...{ flag: "--memory <MIB>", flagUnit: ["MiB", MIB] as const },
    flagSays: "MiB of model files that may be loaded together",
    ...{ says: "model files that may be loaded together", default: "no bound", shortDefault: "no bound" },
  }),
  idle: integer({
    ...{ min: 1, max: 2_000_000_000, unit: "milliseconds", group: LIMITS },
    ...{ flag: "--idle <S>", flagUnit: ["seconds", 1000] as const },
    flagSays: "unload a model after S seconds without requests",
    ...{ says: "time after which a model that nobody asks is unloaded", default: "never", shortDefault: "never" },
  }),
  corpora: text({
    ...{ flag: "--corpora <DIR>", expected: "a folder", writes: true, flagSays: "folder of saved corpora" },
    ...{ says: "folder that keeps corpora", default: "none, and there are no corpora", shortDefault: "no corpora" },
  }),
  inProcess: toggle({
    ...{ flag: "--in-process", flagSays: "load models into the server's own process" },
    says: "load models into this process, where what ends llama.cpp ends the server",
    default: "`false`",
  }),
  page: toggle({
    ...{ flag: "--no-page", flagSays: "no page at /" },
    ...{ says: "answer `GET /` with a page for people", default: "`true`" },
  }),
  onWarning: callback("(text: string) => void", { says: "told what goes wrong without a request to say it to" }),
} as const satisfies OptionSet;

/** What `qrhead mcp` lets assistants use, beside options of loading. */
export const SERVING_TOOLS = {
  roots: texts({
    ...{ required: true, flag: "--root <DIR>", expected: "a list of folders", flagExpected: "a folder" },
    ...{ says: "folders that tools may read", flagSays: "folder that tools may read; repeatable" },
  }),
  load: other({
    ...{ type: "LoadOptions", expected: "options of loading", accepts: isObject },
    says: "how the retriever is loaded, into a process of its own, when a tool first needs it",
    default: "the built-in model",
  }),
  generator: text({
    ...{ flag: "--generator <M>", expected: "a path or an hf: URI", group: "Model" },
    ...{
      says: "GGUF that answers, for the tool `ask`",
      default: "none, and there is no such tool",
      shortDefault: "none",
    },
  }),
  version: text({ required: true, says: "version that the client is told" }),
} as const satisfies OptionSet;
