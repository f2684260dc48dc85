// exception.mjs MODEL: libllama throws inside llama_tokenize, at a character whose bytes the vocabulary lacks. Prints what
// came of three calls, of which the second one throws.
import { QRRetriever } from "qrhead";

const retriever = await QRRetriever.load({ model: process.argv[2], heads: "all", gpu: false, threads: 1 });
const outcomes = [];
for (const query of ["known", "\u{1D11E}", "known"]) {
  const call = retriever.rank(query, ["a document", "another one"]);
  outcomes.push(
    await call.then(
      ({ results }) => results.length,
      ({ code, message }) => code ?? message,
    ),
  );
}
await retriever.dispose();
process.stdout.write(JSON.stringify(outcomes));
