import { z } from "zod";
import { ask, InputError, type Progress, type QRRetriever, type RetrievedSource, relevanceByPlace } from "../index.ts";
import { DEVICE, heads } from "../options/model.ts";
import { countField, fieldNames, flagNames, listField, shareField, wordsField } from "../options/requests.ts";
import { counted } from "../util/counted.ts";
import type { Roots } from "./roots.ts";

/** What tools rank with, and on. */
export type Toolbox = {
  roots: Roots;
  retriever: () => Promise<Pick<QRRetriever, "retrieve" | "rank" | "prune" | "chunk" | "tokenize" | "fuse">>;
  /** GGUF that answers. */
  generator: string | undefined;
};

export type Call = {
  signal: AbortSignal;
  onProgress: (progress: Pick<Progress, "done" | "total"> & { phase: string }) => void;
};

const query = wordsField().describe("The question, in words.");
const paths = listField(wordsField())
  .optional()
  .describe("Files and folders to read, from a served folder. Defaults to all that are served.");
const threshold = shareField()
  .optional()
  .describe("Least relevance of a passage, from 0 to 1, such as 0.5. Defaults to none.");
const limit = (what: string) => countField(1_000_000).optional().describe(what);

export const INPUTS = {
  rerank: z.object({ query, paths, top_k: limit("Files to return. Defaults to 10.") }),
  prune: z.object({ query, path: wordsField().describe("A file."), budget_tokens: limit("Defaults to 1000.") }),
  retrieve: z.object({ query, paths, threshold, budget_tokens: limit("Tokens of the passages. Defaults to 2000.") }),
  ask: z.object({ query, paths, threshold, max_tokens: limit("Tokens of the answer. Defaults to 512.") }),
};

/** How errors call the library's options: `qrhead mcp` has few flags. */
export const NAMES = {
  ...flagNames({ gpu: DEVICE.gpu, threads: DEVICE.threads, heads }),
  ...fieldNames({ query: "query", threshold: "threshold", topK: "top_k" }),
  ...fieldNames({ budgetTokens: "budget_tokens", maxTokens: "max_tokens" }),
};

export type ToolName = keyof typeof INPUTS;
type Input<N extends ToolName> = z.infer<(typeof INPUTS)[N]>;

export const DESCRIPTIONS: Record<ToolName, string> = {
  rerank: "Sorts files by how much they have to do with a question. Gives their paths, best first.",
  prune: "Reads a file and leaves out what has nothing to do with a question, verbatim and in its order.",
  retrieve: "Finds the passages of files that a question is about, with file and line, within a number of tokens.",
  ask: "Answers a question from files with a local model, and names its sources.",
};

const DEFAULT_FILES = 10;
/** More passages than the heads rank. */
const ALL = 1000;
const DEFAULT_PRUNE_BUDGET = 1000;
const DEFAULT_BUDGET = 2000;

/** The tools; each gives what the assistant reads. */
export const TOOLS: { [N in ToolName]: (box: Toolbox, input: Input<N>, call: Call) => Promise<string> } = {
  rerank: async ({ roots, retriever }, { query, paths, top_k = DEFAULT_FILES }, { signal, onProgress }) => {
    const texts = await roots.read(paths, signal);
    const ranker = await retriever();
    const options = { topK: ALL, layout: "independent", signal, onProgress } as const;
    const passages = (await ranker.retrieve(query, texts, options)).sources.toSorted((a, b) => b.score - a.score);
    const relevances = relevanceByPlace(passages);
    // A file counts what its best passage does, and nothing if none of its own is among those that the heads found relevant.
    const best = new Map<string, number>();
    for (const [place, { documentId }] of passages.entries()) {
      if (!best.has(documentId)) best.set(documentId, relevances[place]!);
    }
    for (const { id } of texts) if (!best.has(id)) best.set(id, 0);
    return [...best]
      .slice(0, top_k)
      .map(([id, relevance]) => `${relevance.toFixed(3)} ${id}`)
      .join("\n");
  },

  prune: async (
    { roots, retriever },
    { query, path, budget_tokens = DEFAULT_PRUNE_BUDGET },
    { signal, onProgress },
  ) => {
    const texts = await roots.read([path], signal);
    const options = { budgetTokens: budget_tokens, signal, onProgress };
    const { text, usage } = await (await retriever()).prune(query, texts, options);
    return `${text}\n\n(${usage.tokens} of ${counted(usage.originalTokens, "token")})`;
  },

  retrieve: async (
    { roots, retriever },
    { query, paths, threshold, budget_tokens = DEFAULT_BUDGET },
    { signal, onProgress },
  ) => {
    const texts = await roots.read(paths, signal);
    const ranker = await retriever();
    const { sources } = await ranker.retrieve(query, texts, {
      ...{ threshold, budgetTokens: budget_tokens, layout: "independent", signal, onProgress },
    });
    if (sources.length === 0) return "Nothing relevant was found.";
    return sources.map((source) => `${nameOf(source)}\n${source.text.trim()}`).join("\n\n");
  },

  ask: async ({ roots, retriever, generator }, { query, paths, threshold, max_tokens }, { signal, onProgress }) => {
    if (generator === undefined) {
      throw new InputError(
        "INVALID_ARGUMENT",
        "There is no model that answers: start qrhead mcp with --generator FILE",
      );
    }
    const texts = await roots.read(paths, signal);
    const { answer, sources } = await ask(query, texts, {
      ...{ generate: generator, retriever: await retriever(), threshold, signal, onProgress },
      ...(max_tokens !== undefined && { maxTokens: max_tokens }),
    });
    return [answer.trim(), sources.map(nameOf).join("\n")].filter(Boolean).join("\n\n");
  },
};

/** The number that a source is cited by, and `FILE:LINE`. */
function nameOf({ citation, documentId, line }: RetrievedSource): string {
  return `[${citation}] ${documentId}${line ? `:${line}` : ""}`;
}
