import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { normalizeDocuments } from "../../documents/documents.ts";
import { priorList, priorsOf, type WithPrior } from "../../documents/priors.ts";
import { InputError, isQRHeadError } from "../../errors.ts";
import type { RerankQuery } from "../../fleet/submit-rerank.ts";
import type { FusionOptions } from "../../ranking/fusion.ts";
import { fusionWith, takesPrior } from "../fuse-option.ts";

/**
 * Queries with their documents, from JSON Lines of `{"id", "query", "docs"}`, one after another: the file may be larger than
 * memory. The documents may have a `prior` each, or the line a list of them.
 *
 * @param fuse `--fuse`.
 * @throws InputError `INVALID_INPUT`, naming the line.
 */
export async function* readQueriesWithDocuments(
  file: string,
  name: string,
  fuse: FusionOptions = {},
): AsyncGenerator<RerankQuery> {
  const input = file === "-" ? process.stdin : createReadStream(file, "utf8");
  let number = 0;
  let index = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      const text = line.replace(/^\uFEFF/, "");
      if (text.trim() === "") continue;
      yield toQuery(text, `${name}, line ${number}`, index, fuse);
      index += 1;
    }
  } catch (error) {
    if (isQRHeadError(error) || !(error instanceof Error && "syscall" in error)) throw error;
    throw new InputError("INVALID_INPUT", `Queries ${name} cannot be read: ${error.message}`, { cause: error });
  }
  if (index === 0) throw new InputError("INVALID_INPUT", `${name} has no queries where at least one was expected`);
}

function toQuery(text: string, where: string, index: number, fuse: FusionOptions): RerankQuery {
  const value = parse(text, where);
  const { id = index } = value;
  const query = value.query ?? value.question;
  const docs = value.docs ?? value.documents ?? value.paragraphs;
  if (typeof query !== "string" || query.trim() === "") {
    throw new InputError("INVALID_INPUT", `${where} has no "query" with a text that is not blank`);
  }
  if (typeof id !== "string" && typeof id !== "number") {
    throw new InputError("INVALID_INPUT", `${where} has a wrong "id": it must be a string or a number`);
  }
  if (!Array.isArray(docs)) throw new InputError("INVALID_INPUT", `${where} has no "docs", a list of documents`);
  const documents = normalizeDocuments(docs, `${where}, docs`);
  const fusion = takesPrior(fuse) ? fusionWith(fuse, priorIn(value, docs, documents, where)) : fuse;
  return { id: String(id), query, documents, fusion };
}

/** The scores of the search that found the documents: of the line, or of every document. */
function priorIn(
  { prior }: Record<string, unknown>,
  docs: readonly unknown[],
  documents: readonly WithPrior[],
  where: string,
): number[] | undefined {
  const listed = priorList(prior, documents.length, where);
  const own = priorsOf(
    documents.map(({ id }, index) => ({ id, prior: (docs[index] as Partial<WithPrior>).prior })),
    where,
  );
  if (!listed || !own) return listed ?? own;
  throw new InputError("INVALID_INPUT", `${where} has "prior" twice: in the line and in its documents`);
}

function parse(text: string, where: string): Record<string, unknown> {
  let problem = "is not a JSON object";
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    problem = `is not valid JSON (${(error as Error).message})`;
  }
  throw new InputError("INVALID_INPUT", `${where} ${problem}: expected {"id", "query", "docs": [{"id", "text"}, …]}`);
}
