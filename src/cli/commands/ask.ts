import type { Command } from "commander";
import { type AskResult, ask as answer } from "../../answering/ask.ts";
import type { AskOptions } from "../../answering/options.ts";
import type { RetrievedSource } from "../../answering/retrieve.ts";
import type { ChunkUnit } from "../../chunking/chunk.ts";
import { chunkDocuments } from "../../documents/chunk-documents.ts";
import type { ReadText } from "../../documents/read-files.ts";
import { InputError } from "../../errors.ts";
import { findWriter } from "../../model/writes.ts";
import { ASKING, RETRIEVING } from "../../options/answering.ts";
import { INPUTS, OUTPUTS } from "../../options/command-line.ts";
import { DEVICE, heads, LOADING } from "../../options/model.ts";
import { CHUNKING, chunkTokens, neighbours } from "../../options/texts.ts";
import type { LoadOptions } from "../../options.ts";
import { QRRetriever } from "../../retriever.ts";
import { counted } from "../../util/counted.ts";
import { notFromConfig } from "../config.ts";
import { openCorpus } from "../corpus-cache.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addOptions, type CommonFlags, type ModelFlags, toLoadOptions } from "../options.ts";
import { note, print, printJson, warn, write } from "../output.ts";
import { progressBar } from "../progress.ts";
import { askedOf, type QueryFlags, queryOf } from "../query.ts";
import { belowOf, chunksOf, irrelevantOf, openKept, readKept, sourceList } from "../retrieving.ts";

type AskFlags = CommonFlags &
  QueryFlags &
  Omit<ModelFlags, "library"> & {
    retriever?: string;
    heads?: string;
    cache?: string;
    index?: string;
    candidates?: number;
    layout?: "listwise" | "independent";
    topK?: number;
    threshold?: number;
    budget?: number;
    chunkBy?: ChunkUnit;
    chunkSize?: number;
    neighbours?: number;
    contextSize?: number;
    maxTokens?: number;
    temperature?: number;
    repeatPenalty?: number;
    json?: boolean;
  };

const HELP = {
  everyday: ["--query", "--model", "--top-k", "--budget", "--index", "--cache", "--json"],
  examples: [
    'qrhead ask -m Llama-3.2-3B-Instruct-Q4_K_M.gguf "who betrays whom" book.txt',
    'qrhead ask -m big.gguf --retriever small-slim.gguf "…" --budget 3000 notes/',
    'qrhead ask -m big.gguf --retriever big.gguf "…" notes/   # one copy of the weights ranks and answers',
    'qrhead ask -m big.gguf "…" --index notes.index          # of many files, see qrhead index',
    'qrhead ask -m big.gguf "…" --cache book.corpus book.txt   # the next question reads book.corpus instead',
  ],
  details: `
Files: texts, Markdown, source code, and folders of them; JSON Lines and JSON arrays are read as documents. Files that are
empty or binary are left out; so are dot files, dot folders and node_modules of a folder.
The answer is streamed; the sources that it cites follow as FILE:LINE, with their relevance. Any chat model answers; the
built-in model only retrieves. With --threshold it abstains where no chunk reaches it: it says that nothing relevant was
found, cites nothing, and exits with 0.`,
};

/** `qrhead ask`: answers a question from files. */
export function registerAsk(program: Command): void {
  const command = program.command("ask").description("answer a question from files, with sources");
  command
    .argument("[question]", "the question")
    .argument("[files...]", "files, folders and patterns; or standard input");
  const { retriever, contextSize, maxTokens, temperature, repeatPenalty } = ASKING;
  const { layout, topK, threshold, budgetTokens, candidates } = RETRIEVING;
  const generator = { ...ASKING.generate, required: false, env: "QRHEAD_MODEL" };
  addOptions(command, [INPUTS.query, INPUTS.queryFile, INPUTS.docs, generator]);
  addOptions(command, [
    { ...retriever, group: "Model", expected: "a path or an hf: URI" },
    heads,
    INPUTS.index,
    INPUTS.cache,
    candidates,
    layout,
    topK,
    threshold,
    budgetTokens,
  ]);
  addOptions(command, [CHUNKING.by, chunkTokens, neighbours, contextSize, maxTokens, temperature, repeatPenalty]);
  addOptions(command, [DEVICE.gpu, DEVICE.threads, LOADING.check, OUTPUTS.json]);
  // The configuration file names the heads of the model that ranks; this model answers.
  notFromConfig(command, ["--heads", "--context-size"]);
  addHelp(addCommonOptions(command), HELP).action(ask);
}

async function ask(question: string | undefined, files: string[], _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<AskFlags>();
  const { model, json, quiet = false } = flags;
  if (model === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected a model that answers: pass --model FILE.gguf (the built-in model cannot)",
    );
  }
  if (flags.cache !== undefined && flags.layout === "listwise")
    throw new InputError("INVALID_ARGUMENT", "Expected --layout independent with --cache but received listwise");
  const signal = interruptSignal();
  const asked = askedOf([...(question === undefined ? [] : [question]), ...files], flags);
  const query = await queryOf(flags, signal, asked.query);
  await using kept = await openKept(flags.index, signal);
  const texts = kept ? [] : await readKept(asked.files, signal);
  const bar = await progressBar(quiet);
  try {
    const { topK, budget, chunkBy, chunkSize, contextSize, maxTokens, threads, retriever, gpu, layout } = flags;
    const { temperature, repeatPenalty, candidates } = flags;
    const shared = toLoadOptions({
      ...(gpu && { gpu }),
      ...(threads !== undefined && { threads }),
      ...(flags.check && { check: true }),
    });
    const loading: LoadOptions = { ...shared, model: retriever, heads: flags.heads };
    const cutting = { chunkTokens: chunkSize, chunk: chunkBy && { by: chunkBy } };
    const options: AskOptions = {
      generate: model,
      ...{
        candidates,
        topK,
        threshold: flags.threshold,
        neighbours: flags.neighbours,
        contextSize,
        maxTokens,
        temperature,
        repeatPenalty,
        budgetTokens: budget,
      },
      threads: shared.threads,
      gpu: shared.gpu,
      check: shared.check,
      signal,
      onProgress: bar.onProgress,
      onText: (text) => {
        bar.stop();
        if (!json) write(text);
      },
    };
    const result =
      flags.cache === undefined
        ? await answer(query, kept ?? texts, { ...options, ...cutting, retriever: loading, layout })
        : await answerFromCache(flags.cache, query, texts, options, { loading, cutting, quiet });
    bar.stop();
    if (json) return printJson({ query, model, ...result });
    if (result.abstained) print("");
    else {
      const heading = result.cites ? "Sources:" : "Shown to the model; its answer cites none:";
      print(`${result.answer.endsWith("\n") ? "" : "\n"}\n${heading}\n${sourceList(result.sources)}`);
    }
    for (const warning of result.warnings) warn(warning);
    if (!quiet) note(footer(result));
  } finally {
    bar.stop();
  }
}

/** Reads the chunks once and keeps them in the file, whether or not the answer succeeds. */
async function answerFromCache(
  cache: string,
  query: string,
  texts: readonly ReadText[],
  options: AskOptions,
  { loading, cutting, quiet }: { loading: LoadOptions; cutting: Parameters<typeof chunkDocuments>[2]; quiet: boolean },
): Promise<AskResult> {
  const { signal, onProgress } = options;
  const model = options.generate as string;
  // Before the files are read, which may take long.
  await findWriter(model, { signal, onProgress });
  await using retriever = await QRRetriever.load({
    ...loading,
    generates: loading.model === model,
    signal,
    onProgress,
  });
  const chunks = texts.length > 0 ? await chunkDocuments(retriever, texts, { ...cutting, signal }) : undefined;
  const call = { signal, onProgress, quiet, flag: "the files" };
  await using corpus = await openCorpus(retriever, cache, chunks, { layout: "independent" }, call);
  // The sources must stay open until then.
  const result = await answer(query, corpus, { ...options, retriever });
  const files = new Map(texts.map(({ id, file }) => [id, file]));
  const named = (source: RetrievedSource): RetrievedSource => {
    const file = files.get(source.documentId);
    return file === undefined ? source : { ...source, file };
  };
  return { ...result, sources: result.sources.map(named), shown: result.shown.map(named) };
}

function footer({ usage, timings, shown, stopped, belowThreshold }: AskResult): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return [
    chunksOf(shown, usage),
    ...irrelevantOf(usage),
    ...belowOf(belowThreshold),
    `${counted(usage.answerTokens, "token")} of answer${stopped === "maxTokens" ? " (cut at --max-tokens)" : ""}`,
    `${seconds(timings.retrieveMs)} to retrieve, ${seconds(timings.generateMs)} to generate`,
  ].join(" · ");
}
