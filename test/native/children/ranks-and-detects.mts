// Ranks and finds heads on the device that it is told, and prints both: a process binds one build of llama.cpp.
import { detectHeads } from "../../../src/detect/index.ts";
import { QRRetriever } from "../../../src/index.ts";
import { EXAMPLES } from "../../helpers/detect-examples.ts";

const { gpu, models } = JSON.parse(process.argv[2]!);
const examples = EXAMPLES.slice(0, 2);
const documents = [
  "The keeper trimmed the lamp.",
  "Smoke calms a hive.",
  "Ice flows downhill.",
  "Type made books cheap.",
];
const found: Record<string, unknown> = {};
for (const model of models) {
  const load = { model, gpu, threads: 1, contextSize: 512 };
  const retriever = await QRRetriever.load({ ...load, heads: "all" });
  const { results } = await retriever.rank("Who trimmed the lamp?", documents, { headScores: true });
  await retriever.dispose();
  const { scores } = await detectHeads({ ...load, examples, top: 4 });
  const inOrder = results.sort((a, b) => a.index - b.index);
  found[model] = { documents: inOrder.map(({ headScores }) => headScores), heads: scores };
}
process.stdout.write(JSON.stringify(found));
