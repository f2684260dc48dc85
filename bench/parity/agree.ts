// Whether the engine's attention is the model's: every head and document against the transformers library in float32.
//   npx tsx bench/parity/agree.ts prompt MODEL.gguf PROMPT.json [--documents FILE] [--query TEXT]
//   python bench/parity/attention.py --model MODEL.gguf --prompt PROMPT.json --output ATTENTION.json --float-model F32.gguf
//   npx tsx bench/parity/agree.ts compare F32.gguf PROMPT.json ATTENTION.json
// The differences are of the attention itself, without a null query taken away and without a mask.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseDocuments } from "../../src/documents/documents.ts";
import { type CacheType, QRRetriever } from "../../src/index.ts";
import { loadModel } from "../../src/model/model.ts";
import { callNative } from "../../src/native/call.ts";
import { layOutQuery, layOutTrunk, type TokenizePieces } from "../../src/prompt/layout.ts";
import { selectProfile } from "../../src/prompt/profiles.ts";

const NULL_QUERY = "N/A";
const SAMPLE = [
  {
    title: "Ferry",
    text: "The ferry to the island leaves at nine on weekdays. On Sundays it leaves at eleven and carries no cars.",
  },
  {
    title: "Bakery",
    text: "The bakery at the harbour opens at six. Its rye bread is sold out by noon, and on Sundays it stays closed.",
  },
  {
    text: "In 1911 the lighthouse got an electric lamp. Before that a keeper carried oil up two hundred steps every night.",
  },
  {
    title: "Trams",
    text: "Line 4 runs along the river every ten minutes; the last tram leaves the depot half an hour after midnight.",
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: "string" },
    query: { type: "string", default: "When does the ferry to the island leave on Sundays?" },
    threads: { type: "string", default: "2" },
  },
});
const [command, model, promptFile, attentionFile] = positionals;
if (!model || !promptFile) throw new Error("Expected prompt or compare, a model and a file of the prompt");

type PromptFile = {
  query: number[];
  null: number[];
  documents: number[];
  spans: (readonly [number, number])[];
  asked: string;
  texts: { title?: string; text: string }[];
};

if (command === "prompt") await writePrompt();
else if (command === "compare" && attentionFile) await compare(attentionFile);
else throw new Error("Expected prompt, or compare with a file of attention");

async function writePrompt(): Promise<void> {
  const texts = values.documents
    ? parseDocuments(readFileSync(values.documents), values.documents).map(({ title, text }) => ({
        ...(title && { title }),
        text,
      }))
    : SAMPLE;
  const loaded = await loadModel({ model, gpu: false });
  const profile = selectProfile("auto", {
    ...loaded.identity,
    bosText: loaded.info.bosText,
    eosText: loaded.info.eosText,
  });
  const tokenize: TokenizePieces = (pieces) =>
    callNative(loaded.library.addon, undefined, (flag) => loaded.native.tokenize(pieces, flag));
  const documents = texts.map((document, index) => ({ ...document, id: String(index) }));
  const trunk = await layOutTrunk(tokenize, profile, documents);
  const file: PromptFile = {
    query: Array.from(await layOutQuery(tokenize, trunk, values.query)),
    null: Array.from(await layOutQuery(tokenize, trunk, NULL_QUERY)),
    documents: Array.from(trunk.tokens),
    spans: trunk.documentSpans,
    asked: values.query,
    texts,
  };
  writeFileSync(promptFile!, JSON.stringify(file));
  console.log(`${trunk.tokens.length + file.query.length} tokens, ${texts.length} documents`);
  await loaded.native.dispose();
}

async function compare(file: string): Promise<void> {
  const { asked, texts }: PromptFile = JSON.parse(readFileSync(promptFile!, "utf8"));
  const expected: { query: number[][][]; transformers: string } = JSON.parse(readFileSync(file, "utf8"));
  console.log(`largest difference to transformers ${expected.transformers}, of the largest value of all heads`);
  for (const [flashAttention, cacheType] of [
    [false, "f32"],
    [true, "f32"],
    [true, "f16"],
    [true, "q8_0"],
  ] as [boolean, CacheType][]) {
    await using retriever = await QRRetriever.load({
      ...{ model, heads: "all", gpu: false, calibration: false, mask: false, threads: Number(values.threads) },
      ...{ flashAttention, cacheTypeK: cacheType, cacheTypeV: cacheType },
    });
    const { results } = await retriever.rank(asked, texts, { headScores: true });
    const heads = retriever.heads;
    let largest = 0;
    let worst = { difference: 0, head: "" };
    for (const { index, headScores } of results) {
      for (const [row, [layer, head]] of heads.entries()) {
        const right = expected.query[layer]![head]![index]!;
        largest = Math.max(largest, right);
        const difference = Math.abs(headScores![row]! - right);
        if (difference > worst.difference) worst = { difference, head: `${layer}-${head}` };
      }
    }
    const way = `${flashAttention ? "flash attention" : "kq_soft_max"}, cache ${cacheType}`;
    console.log(`${way}: ${(worst.difference / largest).toExponential(2)} (head ${worst.head}, ${heads.length} heads)`);
  }
}
