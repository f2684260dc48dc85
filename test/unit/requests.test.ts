// How the server and the tools for assistants say what the library says: by the names of their own fields and flags.
import { expect, it } from "vitest";
import { ContextOverflowError, InputError, invalidArgument } from "../../src/errors.ts";
import { PASS } from "../../src/options/model.ts";
import { fieldNames, flagNames, wordError, wordWarning } from "../../src/options/requests.ts";
import { HttpError, toHttpError } from "../../src/serve/failure.ts";

const fields = fieldNames({ budgetTokens: "budget_tokens", chunkTokens: "chunk_tokens" });
const advised = (advice: string) => new InputError("INVALID_INPUT", "It is too long", { advice });

it("names a field, what it must be and what it is", () => {
  const wrong = invalidArgument("chunkTokens", "an integer of at least 8", 3);
  expect(wordError(wrong, fields)).toBe('"chunk_tokens" must be an integer of at least 8 but is 3');
  expect(wordError(wrong, {})).toBe(wrong.message);
});

it("leaves out advice that nobody can follow there", () => {
  const advice = "use a larger budgetTokens, or a smaller chunkTokens";
  expect(wordError(advised(advice), fields)).toBe(
    'It is too long: use a larger "budget_tokens", or a smaller "chunk_tokens"',
  );
  const few = fieldNames({ budgetTokens: "budget_tokens" });
  expect(wordError(advised(advice), few)).toBe('It is too long: use a larger "budget_tokens"');
  expect(wordError(advised(advice), {})).toBe("It is too long");
  const hinted = 'rank in windows with windows: "auto", shorten it or cut it; a larger contextSize would rank worse';
  expect(wordError(advised(hinted), {})).toBe("It is too long: shorten it or cut it");
  expect(
    wordError(
      advised('use gpu: false, or heads: "all"'),
      flagNames({ gpu: { ...PASS.contextSize, flag: "--gpu <X>" } }),
    ),
  ).toBe("It is too long: use --gpu false");
});

it("keeps words that are no options", () => {
  const names = { ...fields, ...flagNames(PASS) };
  for (const text of [
    "myNotes.gguf: use iPhone.txt",
    "No mmproj in qrhead: npm install node-llama-cpp",
    'in "budgetTokens"',
  ]) {
    expect(wordWarning(text, names)).toBe(text);
  }
  expect(
    wordWarning("Known up to 512: rank in windows with windows: { windowTokens: 512 }, or cut the documents", names),
  ).toBe("Known up to 512: cut the documents");
});

it("knows what a route of the server takes", () => {
  const overflow = new ContextOverflowError(900, 512);
  const [reranking, pruning] = [true, false].map((reranks) => toHttpError(overflow, reranks));
  expect(reranking).toBeInstanceOf(HttpError);
  expect(reranking!.message).toBe(
    "The prompt has 900 tokens but the context holds 512: use a --context-size of at least 900, pass fewer documents, or " +
      'cut long ones with "max_tokens_per_doc"',
  );
  expect(pruning!.message).toContain("or cut long ones with --max-document-tokens");
});
