// Documents of a program's own type, under the strictest settings of TypeScript: the compiler checks the declarations too.
import { type PassageScore, QRRetriever, type Retriever, type Tokenization } from "qrhead";

type Note = { text: string; title?: string; author: string };

const notes: Note[] = [
  { text: "The ferry to the island leaves at ten past seven.", title: "Ferry", author: "Ada" },
  { text: "The bakery on the square is closed on Mondays.", author: "Bo" },
];

/** Who wrote the notes that answer, best first; nobody if no note answers. */
async function authors(retriever: Retriever, query: string, signal?: AbortSignal): Promise<string[]> {
  const { results, abstained } = await retriever.rank(query, notes, { threshold: 0.5, signal });
  return abstained ? [] : results.map(({ document }) => document.author);
}

export function tokens(retriever: Retriever, text: string): Promise<Tokenization> {
  return retriever.tokenize(text);
}

export async function passages(retriever: Retriever, query: string): Promise<PassageScore[]> {
  return (await retriever.rank(query, notes)).results.flatMap((result) => result.passages ?? []);
}

const retriever = await QRRetriever.load({ model: process.env.QRHEAD_MODEL });
try {
  for (const query of ["When does the ferry to the island leave?", "Who won the football match?"]) {
    console.log(query, await authors(retriever, query, AbortSignal.timeout(60_000)));
  }
  console.log((await retriever.rank("Anything?", [] as Note[])).results.length);
  for await (const { query, results } of retriever.rankMany(["When does the ferry leave?", "What is closed?"], notes)) {
    console.log(`${query} ${results[0]?.document.author}`);
  }
} finally {
  await retriever.dispose();
}
