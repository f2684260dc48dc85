import { readFile } from "node:fs/promises";
import path from "node:path";
import { detectHeads } from "../detect/detect.ts";
import { parseExamples } from "../detect/examples.ts";
import { formatHeadSet } from "../detect/format.ts";
import { InputError } from "../errors.ts";
import { truncateWords } from "../eval/run.ts";
import { compareHeadSets } from "../heads/compare.ts";
import { headKey, seededRandom, shuffled } from "../heads/heads.ts";
import type { LoadOptions } from "../options.ts";
import type { ModelIdentity } from "../types.ts";
import { counted } from "../util/counted.ts";
import { makeFolder, writeWhole } from "../util/output-file.ts";
import { exampleBar } from "./example-bar.ts";
import { findSet } from "./find-set.ts";
import type { CommonFlags } from "./options.ts";
import { print, printJson } from "./output.ts";
import { progressBar } from "./progress.ts";
import { plainTable } from "./table.ts";

/** Of the published script for NQ: words kept of a document, and the seed that its documents are shuffled by. */
const [NQ_WORDS, NQ_SEED] = [400, 42];

type Flags = CommonFlags & { heads?: string; limit?: number; maxDocumentWords?: number; json?: boolean };

type Run = {
  data: string;
  output: string;
  identity: ModelIdentity;
  load: Omit<LoadOptions, "heads">;
};

/** Finds heads again as a published set was found, and prints both. */
export async function reproduceDetection(flags: Flags, { data, output, identity, load }: Run): Promise<void> {
  const { name, set: published } = findSet(flags.heads ?? "auto", identity);
  const { heads } = published;
  const objective = (["ndcg", "contrastive"] as const).find((one) => one === published.objective) ?? "mass";
  const content = await readFile(data).catch((error: Error) => {
    throw new InputError("INVALID_INPUT", `Examples ${data} cannot be read: ${error.message}`);
  });
  const read = parseExamples(content, path.basename(data));
  // The published script for NQ rates by nDCG, shuffles the documents of an example and cuts them.
  const random = seededRandom(NQ_SEED);
  const examples = read.map((example) => {
    if (objective !== "ndcg") return example;
    const docs = example.docs.map((document) => truncateWords(document, flags.maxDocumentWords ?? NQ_WORDS));
    return { ...example, docs: shuffled(docs, random) };
  });
  await makeFolder(output);
  const bar = await progressBar(flags.quiet ?? false);
  try {
    const found = await detectHeads({
      ...load,
      ...{ examples, objective, top: heads.length, limit: flags.limit, sourceName: path.basename(data) },
      ...{ checkpoint: path.join(output, "checkpoint.jsonl"), resume: true },
      ...exampleBar(bar),
    });
    bar.stop();
    await writeWhole(path.join(output, "heads.json"), formatHeadSet(found), { force: true, shared: true });
    const { shared, chance } = compareHeadSets(published, found);
    const difference = shared.length - heads.length;
    const examplesRead = found.source?.examples ?? examples.length;
    if (flags.json) {
      const ours = found.heads.map(headKey);
      const sharedHeads = shared.map(headKey);
      return printJson({
        ...{ table: "detect", model: identity.name, set: name, objective, examples: examplesRead },
        ...{ published: heads.map(headKey), ours, shared: sharedHeads, difference, chance },
      });
    }
    print(
      `${name}, ${published.source?.name ?? "a file"}, against ${counted(examplesRead, "example")} by ${objective}`,
    );
    const known = new Set(shared.map(headKey));
    const rows = heads.map((head, index) => {
      const ours = found.heads[index];
      const mark = ours && known.has(headKey(ours)) ? "shared" : "";
      return [String(index + 1), headKey(head), ours ? headKey(ours) : "–", mark];
    });
    print(plainTable(["Rank", "Published", "Ours", ""], rows, [], [0]));
    const byChance = chance === null ? "" : `; random sets of this size share ${(chance * heads.length).toFixed(1)}`;
    print(`Published ${heads.length}, shared ${shared.length}, difference ${difference}${byChance}`);
  } finally {
    bar.stop();
  }
}
