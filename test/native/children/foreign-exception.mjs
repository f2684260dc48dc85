// libllama throws inside llama_tokenize, at a character whose bytes the vocabulary lacks. Prints what came of it.
import { addon, given, load } from "./setup.mjs";

const model = await load(given.file);
const outcomes = [];
for (const text of ["known", given.text, "known"]) {
  const call = model.tokenize([{ text, special: false }], new addon.Cancellation());
  outcomes.push(
    await call.then(
      ({ tokens }) => tokens.length > 0,
      ({ code, message }) => ({ code, message }),
    ),
  );
}
process.stdout.write(JSON.stringify(outcomes));
