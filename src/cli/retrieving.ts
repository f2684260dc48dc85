import type { RetrievedSource, RetrieveResult } from "../answering/retrieve.ts";
import { type LeftOutFile, type ReadText, readTexts } from "../documents/read-files.ts";
import { InputError } from "../errors.ts";
import { type ChunkIndex, openIndex } from "../index-store/chunk-index.ts";
import { counted } from "../util/counted.ts";
import { decodeText } from "../util/text-file.ts";
import { readInput, STDIN_NAME } from "./input.ts";
import { dim, oneLine } from "./output.ts";
import { expand, warnOfLeftOut } from "./sources.ts";

/**
 * The index of `--index`.
 *
 * @throws InputError for a file that does not exist, or is no index.
 */
export async function openKept(file: string | undefined, signal: AbortSignal): Promise<ChunkIndex | undefined> {
  if (file === undefined) return undefined;
  try {
    return await openIndex(file, { mustExist: true, signal });
  } catch (error) {
    if (error instanceof InputError && error.message.startsWith(`Index ${file} does not exist`)) {
      const advice = `make it with qrhead index FILES --index ${file}`;
      throw new InputError("INVALID_INPUT", `Index ${file} does not exist`, { cause: error, advice });
    }
    throw error;
  }
}

/** The texts of files, folders and patterns, and of standard input for `-`, with a warning of those that have none. */
export async function readKept(files: readonly string[], signal: AbortSignal): Promise<ReadText[]> {
  const leftOut: LeftOutFile[] = [];
  const paths = await expandAll(files.filter((file) => file !== "-"));
  const texts = paths.length > 0 ? await readTexts(paths, { signal, onLeftOut: (file) => leftOut.push(file) }) : [];
  warnOfLeftOut(leftOut);
  if (!files.includes("-")) return texts;
  const piped = decodeText(await readInput("-", "Text", signal), STDIN_NAME);
  if (piped.trim() === "") throw new InputError("INVALID_INPUT", `Expected text but ${STDIN_NAME} is empty`);
  return [...texts, { id: STDIN_NAME, text: piped, by: "paragraphs", file: STDIN_NAME }];
}

export async function expandAll(paths: readonly string[]): Promise<string[]> {
  return (await Promise.all(paths.map(expand))).flat();
}

/** A line for each source: the number that it is cited by, where it is from, and its relevance from 0 to 1. */
export function sourceList(sources: readonly RetrievedSource[]): string {
  return sources
    .map((source) => dim(`[${source.citation}] ${placeOf(source)} · relevance ${source.relevance.toFixed(2)}`))
    .join("\n");
}

/** `FILE:LINE`, as editors and terminals take it. */
export function placeOf({ documentId, file, line }: RetrievedSource): string {
  const name = oneLine(file ?? documentId);
  return line === undefined ? name : `${name}:${line}`;
}

/** What the footer says of chunks that a threshold left out. */
export function belowOf(belowThreshold: number): string[] {
  return belowThreshold > 0 ? [`${belowThreshold} below the threshold`] : [];
}

/** How many of the ranked chunks cannot have an answer. */
export function irrelevantOf({ irrelevantChunks }: RetrieveResult["usage"]): string[] {
  if (irrelevantChunks === 0) return [];
  const verb = irrelevantChunks === 1 ? "gets" : "get";
  return [`${irrelevantChunks} ${verb} no more attention from the question than from the null query`];
}

/** How many chunks were taken, of how many. */
export function chunksOf(shown: readonly RetrievedSource[], usage: RetrieveResult["usage"]): string {
  const { chunks, candidates, contextTokens } = usage;
  const read = candidates < chunks ? ` (the heads ranked ${candidates})` : "";
  return `${shown.length} of ${counted(chunks, "chunk")}${read}, ${counted(contextTokens, "token")}`;
}
