import type { Command } from "commander";
import { QRRetriever } from "../../retriever.ts";
import { DEMO_DOCUMENTS, DEMO_QUERIES } from "../demo-data.ts";
import { markBestWords } from "../highlight.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, type CommonFlags } from "../options.ts";
import { bold, print } from "../output.ts";
import { progressBar } from "../progress.ts";
import { beginning, rankingTable } from "../table.ts";

/** Ranks shown of each query. */
const SHOWN = 3;

const NEXT = `Next:
  qrhead rerank "your question" your-file.txt          one document per line, or JSON Lines
  qrhead rerank -m your.gguf "…" your-folder/          any chat model
  qrhead heads list                                    models whose retrieval heads are known
  qrhead doctor                                        what this machine can use`;

/** `qrhead demo`: ranks a few built-in passages, so that one command shows what this is. */
export function registerDemo(program: Command): void {
  const command = program.command("demo").description("rank built-in passages with the built-in model");
  addCommonOptions(command).action(demo);
}

async function demo(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<CommonFlags>();
  const signal = interruptSignal();
  const bar = await progressBar(flags.quiet ?? false);
  try {
    const { onProgress } = bar;
    await using retriever = await QRRetriever.load({ signal, onProgress });
    const { model, heads } = retriever;
    print(
      `${DEMO_DOCUMENTS.length} passages, ${DEMO_QUERIES.length} queries, and ${model.name}, the built-in model. ` +
        "The words that the query attended to most are marked.",
    );
    let ms = 0;
    for (const { query } of DEMO_QUERIES) {
      const result = await retriever.rank(query, DEMO_DOCUMENTS, { tokenScores: true, signal, onProgress });
      bar.stop();
      ms += result.timings.totalMs;
      const [best] = result.results;
      print(`\n${bold(`Query: ${query}`)}`);
      print(rankingTable(result.results.slice(0, SHOWN), DEMO_DOCUMENTS, (_, document) => beginning(document)));
      print(`Best: ${markBestWords(best!.tokenScores!, DEMO_DOCUMENTS[best!.index]!)}`);
    }
    const layers = [...new Set(heads.map(([layer]) => layer))].sort((a, b) => a - b).join(", ");
    print(
      `\nRanked by ${heads.length} attention heads (${retriever.headSet}; layers ${layers} of ${model.layers}) and BM25, nothing was ` +
        `generated. ${Math.round(ms)} ms for ${DEMO_QUERIES.length} queries, and ${Math.round(retriever.loadMs)} ms to load.\n`,
    );
    print(NEXT);
  } finally {
    bar.stop();
  }
}
