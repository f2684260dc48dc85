import { stat } from "node:fs/promises";
import path from "node:path";
import { InputError } from "../../errors.ts";
import { DATA_FORMATS } from "../../options/choices.ts";
import type { CandidateOptions, Task } from "../types.ts";
import { openBeir } from "./beir.ts";
import { openClipper } from "./clipper.ts";
import { openLocomo } from "./locomo.ts";
import { type Granularity, openLongMemEval } from "./longmemeval.ts";
import { type NeedleOptions, openNeedles } from "./niah.ts";
import { documentsOf, openPoolFile } from "./pools.ts";
import { readJson } from "./records.ts";

export type Format = (typeof DATA_FORMATS)[number];

export type OpenOptions = CandidateOptions &
  NeedleOptions & {
    /** Defaults to what the files look like. */
    format?: Format | undefined;
    split?: string | undefined;
    /** Judgements of a BEIR folder from elsewhere, in BEIR's or TREC's form. */
    qrels?: string | undefined;
    granularity?: Granularity | undefined;
  };

/**
 * Opens a task in any format.
 *
 * @param source A folder (BEIR, LoCoMo, CLIPPER, needles) or a file (pools, LongMemEval, LoCoMo).
 * @throws InputError `INVALID_INPUT` for files that are missing, malformed or of no known format, or without a query that
 * can be measured.
 */
export async function openTask(source: string, options: OpenOptions): Promise<Task> {
  const found = await stat(source).catch(() => undefined);
  if (!found) throw new InputError("INVALID_INPUT", `Data ${source} does not exist: pass a folder or a file`);
  const format = options.format ?? (await recognize(source, found.isDirectory()));
  const { granularity } = options;
  switch (format) {
    case "beir":
      return openBeir(source, options);
    case "pools":
      return openPoolFile(source, options);
    case "clipper":
      return openClipper(source, options);
    case "niah":
      return openNeedles(source, options);
    case "longmemeval":
      return openLongMemEval(source, options);
    case "locomo":
      if (granularity === "round") {
        throw new InputError(
          "INVALID_ARGUMENT",
          `Expected the granularity turn or session for LoCoMo but received "round"`,
        );
      }
      return openLocomo(source, { ...options, granularity });
  }
}

async function recognize(source: string, isFolder: boolean): Promise<Format> {
  const has = async (name: string) => (await stat(path.join(source, name)).catch(() => undefined)) !== undefined;
  if (isFolder) {
    for (const name of ["corpus.jsonl", "corpus.tsv"])
      if ((await has(name)) || (await has(`${name}.gz`))) return "beir";
    if (await has("claims.jsonl")) return "clipper";
    if (await has("questions.jsonl")) return "locomo";
    if (await has("needles.jsonl")) return "niah";
  } else {
    for await (const { value } of readJson(source)) {
      const fields = Object(value) as Record<string, unknown>;
      if (fields.haystack_sessions !== undefined) return "longmemeval";
      if (fields.conversation !== undefined && fields.qa !== undefined) return "locomo";
      if (documentsOf(fields) !== undefined) return "pools";
      break;
    }
  }
  const what = isFolder ? "Folder" : "File";
  const missing = isFolder ? "" : ' (queries with their documents have "query", "docs" and "gold")';
  throw new InputError(
    "INVALID_INPUT",
    `${what} ${source} has no recognised format${missing}: name it with --format ${DATA_FORMATS.join("|")}`,
  );
}
