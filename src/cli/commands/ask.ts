import { type Command, Option } from "commander";
import { type AskResult, type AskSource, ask as answer } from "../../answering/ask.ts";
import type { AskOptions } from "../../answering/options.ts";
import { CHUNK_UNITS, type ChunkUnit } from "../../chunking/chunk.ts";
import { chunkDocuments } from "../../documents/chunk-documents.ts";
import { type LeftOutFile, type ReadText, readTexts } from "../../documents/read-files.ts";
import { InputError } from "../../errors.ts";
import { findWriter } from "../../model/writes.ts";
import { GPU_NAMES, type LoadOptions } from "../../options.ts";
import { QRRetriever } from "../../retriever.ts";
import { openCorpus } from "../corpus-cache.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  type CommonFlags,
  choiceOption,
  integerOption,
  type ModelFlags,
  numberOption,
  textOption,
  toLoadOptions,
} from "../options.ts";
import { dim, note, oneLine, print, printJson, warn, write } from "../output.ts";
import { progressBar } from "../progress.ts";
import { queryOf } from "../query.ts";
import { decimalsFor } from "../table.ts";

type AskFlags = CommonFlags &
  Omit<ModelFlags, "library"> & {
    retriever?: string;
    heads?: string;
    query?: string;
    queryFile?: string;
    cache?: string;
    layout?: "listwise" | "independent";
    topK?: number;
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

const EXAMPLES = `
Files: texts, Markdown, source code, and folders of them; JSON Lines and JSON arrays are read as documents. Files that are
empty or no text are left out; so are dot files, dot folders and node_modules of a folder.
The answer is streamed; the sources that it cites follow, with their scores. Any chat model answers; the built-in model
only retrieves.

Examples:
  $ qrhead ask --model Llama-3.2-3B-Instruct-Q4_K_M.gguf --query "who betrays whom" book.txt
  $ qrhead ask --model big.gguf --retriever small-slim.gguf --query "…" --budget 3000 notes/
  $ qrhead ask --model big.gguf --retriever big.gguf --query "…" notes/   # one copy of the weights ranks and answers
  $ qrhead ask --model big.gguf --query "…" --cache book.corpus book.txt   # the next question reads book.corpus instead`;

/** `qrhead ask`: answers a question from files. */
export function registerAsk(program: Command): void {
  const command = program.command("ask").description("answer a question from files, with sources");
  command
    .argument("[files...]", "files and folders to answer from")
    .addOption(textOption("--model <M>", "GGUF that answers: a path or an hf: URI", "a path or an hf: URI"))
    .addOption(
      textOption("--retriever <M>", "GGUF that retrieves (default: the built-in model)", "a path or an hf: URI"),
    )
    .addOption(textOption("--heads <SPEC>", "heads of the retriever (default: auto)", "heads"))
    .addOption(textOption("--query <Q>", "the question", "a text that is not blank"))
    .option("--query-file <FILE>", "file that holds the question")
    .addOption(
      textOption("--cache <FILE>", "keep what was read of the files, each chunk by itself, in this file", "a path"),
    )
    .addOption(
      choiceOption("--layout <NAME>", "chunks together in windows, or each by itself", ["listwise", "independent"]),
    )
    .addOption(
      integerOption("--top-k <N>", "chunks to answer from (default: 5, or as many as --budget holds)", 1, 2 ** 31),
    )
    .addOption(integerOption("--budget <N>", "tokens of the sources (default: what the context leaves)", 1, 2 ** 31))
    .addOption(choiceOption("--chunk-by <WHAT>", "how files are cut (default: by their ending)", CHUNK_UNITS))
    .addOption(integerOption("--chunk-size <N>", "tokens of a chunk (default: 200)", 8, 2 ** 31))
    .addOption(integerOption("--neighbours <N>", "chunks around each that come with it (default: 0)", 0, 1000))
    .addOption(integerOption("--context-size <N>", "tokens of the generator's context (default: 4096)", 64, 2 ** 27))
    .addOption(integerOption("--max-tokens <N>", "tokens of the answer (default: 512)", 1, 2 ** 31))
    .addOption(
      numberOption(
        "--temperature <X>",
        "how freely words are drawn, 0 to 10 (default: 0, greedy)",
        "a number from 0 to 10",
        (x) => x >= 0 && x <= 10,
      ),
    )
    .addOption(
      numberOption(
        "--repeat-penalty <X>",
        "against repetition, 1 to 10, 1 is none (default: 1.05)",
        "a number from 1 to 10",
        (x) => x >= 1 && x <= 10,
      ),
    )
    .addOption(choiceOption("--gpu <WHICH>", "build of llama.cpp", GPU_NAMES))
    .addOption(integerOption("--threads <N>", "CPU threads", 1, 512))
    .addOption(new Option("--check", "load and try the models in a process of their own first"))
    .option("--json", "print one JSON object when the answer is complete");
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(ask);
}

async function ask(files: string[], _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<AskFlags>();
  const { model, json, quiet = false } = flags;
  if (model === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected a model that answers: pass --model FILE.gguf (the built-in model cannot)",
    );
  }
  if (files.length === 0 && flags.cache === undefined)
    throw new InputError("INVALID_ARGUMENT", "Expected files to answer from: pass their names");
  if (flags.cache !== undefined && flags.layout === "listwise")
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected no --layout listwise beside --cache, which keeps chunks that were read by themselves",
    );
  const signal = interruptSignal();
  const query = await queryOf(flags, signal);
  const leftOut: LeftOutFile[] = [];
  const texts = files.length > 0 ? await readTexts(files, { signal, onLeftOut: (file) => leftOut.push(file) }) : [];
  warnOfLeftOut(leftOut);
  const bar = await progressBar(quiet);
  try {
    const { topK, budget, chunkBy, chunkSize, neighbours, contextSize, maxTokens, threads, heads, retriever, gpu } =
      flags;
    const { temperature, repeatPenalty } = flags;
    const shared = toLoadOptions({
      ...(gpu && { gpu }),
      ...(threads !== undefined && { threads }),
      ...(flags.check && { check: true }),
    });
    const loading: LoadOptions = { ...shared, model: retriever, heads };
    const cutting = { chunkTokens: chunkSize, chunk: chunkBy && { by: chunkBy } };
    const options: AskOptions = {
      model,
      ...{ topK, neighbours, contextSize, maxTokens, temperature, repeatPenalty, budgetTokens: budget },
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
        ? await answer(query, texts, { ...options, ...cutting, retriever: loading, layout: flags.layout })
        : await answerFromCache(flags.cache, query, texts, options, { loading, cutting, quiet });
    bar.stop();
    if (json) return printJson({ query, model, ...result });
    print(`${result.answer.endsWith("\n") ? "" : "\n"}\n${sourceList(result)}`);
    for (const warning of result.warnings) warn(warning);
    if (!quiet) note(footer(result));
  } finally {
    bar.stop();
  }
}

/** Chunks are read once and kept in the file; what becomes of the answer is of no matter to it. */
async function answerFromCache(
  cache: string,
  query: string,
  texts: readonly ReadText[],
  options: AskOptions,
  { loading, cutting, quiet }: { loading: LoadOptions; cutting: Parameters<typeof chunkDocuments>[2]; quiet: boolean },
): Promise<AskResult> {
  const { signal, onProgress } = options;
  // Before the files are read, which may take long.
  await findWriter(options.model, { signal, onProgress });
  await using retriever = await QRRetriever.load({ ...loading, signal, onProgress });
  const chunks = texts.length > 0 ? await chunkDocuments(retriever, texts, { ...cutting, signal }) : undefined;
  const call = { signal, onProgress, quiet, flag: "the files" };
  await using corpus = await openCorpus(retriever, cache, chunks, { layout: "independent" }, call);
  // What it is answered from must last until then.
  const result = await answer(query, corpus, { ...options, retriever });
  const files = new Map(texts.map(({ id, file }) => [id, file]));
  const named = (source: AskSource): AskSource => {
    const file = files.get(source.documentId);
    return file === undefined ? source : { ...source, file };
  };
  return { ...result, sources: result.sources.map(named), shown: result.shown.map(named) };
}

/** Lines of files that were left out, of which a folder may have many. */
const MOST_WARNINGS = 5;

function warnOfLeftOut(files: readonly LeftOutFile[]): void {
  for (const { file, reason } of files.slice(0, MOST_WARNINGS)) {
    warn(`left out ${file}, which ${reason}`);
  }
  const others = files.length - MOST_WARNINGS;
  if (others > 0) warn(`left out ${others} more ${others === 1 ? "file" : "files"}`);
}

function sourceList({ sources, cites }: AskResult): string {
  const decimals = decimalsFor(sources.map(({ score }) => score));
  const lines = sources.map((source) => {
    return dim(`[${source.citation}] ${placeOf(source)} · score ${source.score.toFixed(decimals)}`);
  });
  return [cites ? "Sources:" : "Shown to the model; its answer cites none:", ...lines].join("\n");
}

/** `FILE:LINE`, as editors and terminals take it. */
function placeOf({ documentId, file, line }: AskSource): string {
  const name = oneLine(file ?? documentId);
  return line === undefined ? name : `${name}:${line}`;
}

function footer({ usage, timings, shown, stopped }: AskResult): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const { irrelevantChunks } = usage;
  return [
    `${shown.length} of ${usage.chunks} chunks, ${usage.contextTokens} tokens`,
    ...(irrelevantChunks > 0 ? [`${irrelevantChunks} score no higher than nothing`] : []),
    `${usage.answerTokens} tokens of answer${stopped === "maxTokens" ? " (cut at --max-tokens)" : ""}`,
    `${seconds(timings.retrieveMs)} to retrieve, ${seconds(timings.generateMs)} to generate`,
  ].join(" · ");
}
