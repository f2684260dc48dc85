import { z } from "zod";
import {
  choiceField,
  countField,
  eitherField,
  flagField,
  listField,
  numberField,
  shareField,
  textField,
  wordsField,
} from "../options/requests.ts";
import { HttpError } from "./failure.ts";

const query = wordsField().describe("What is asked of the documents.");
const model = textField().nullish().describe("A served model; another name is answered by the first one.");
const count = (what: string) => countField().nullish().describe(what);
const flag = (what: string) => flagField().nullish().describe(what);

const documentText = eitherField([z.string(), z.record(z.string(), z.unknown())], "a string or an object");
const documents = listField(documentText).describe(
  'Texts, or objects with "text", and optionally "title" and "id"; of other objects all fields are read.',
);
const someDocuments = documents.min(1, { error: "must have at least one text" });
const corpus = textField().nullish().describe("A stored corpus, in place of documents.");

const FUSE = '"none", "rrf" or {"weight": a number from 0 to 1}';
const fuse = eitherField(
  [z.enum(["none", "rrf"]), z.strictObject({ weight: shareField() }, { error: `must be ${FUSE}` })],
  FUSE,
)
  .nullish()
  .describe(
    "How BM25 over the documents joins the heads: by ranks, by z-scores with this weight of the heads, or not. Defaults to " +
      "what the model's head set says: weight 0.5 for the built-in models, else not; with prior to 0.5.",
  );
const prior = listField(numberField())
  .nullish()
  .describe("Scores of the search that found the documents, one for each, higher is better. They take BM25's place.");

const rerankFields = {
  model,
  query,
  top_n: count("Results to return. Defaults to all."),
  max_tokens_per_doc: count("Tokens that each document is cut after. Defaults to none."),
  return_token_scores: flag("Add to every result its tokens with their scores."),
  return_raw_scores: flag(
    "Add to every result the score that it is sorted by, and where BM25 is in it, its two parts.",
  ),
  ...{ fuse, prior },
};

export const rerankV2 = z.object({ ...rerankFields, documents });
export const rerankV1 = z.object({
  ...rerankFields,
  documents: documents.nullish(),
  corpus,
  return_documents: flag("Add to every result its document."),
  rank_fields: listField(textField()).nullish().describe("Fields of object documents to read."),
});
export const rerankTei = z.object({
  query,
  texts: listField(textField()),
  raw_scores: flag("Scores as they are, in place of 0 to 1."),
  return_text: flag("Add to every result its text."),
  truncate: flag("Taken and ignored: no text is too long."),
});
const pruneLimit = {
  budget_tokens: count("Tokens that may stay."),
  threshold: numberField().nullish().describe("Least attention a token."),
  top_k: count("Sentences or chunks that stay."),
  relative: numberField().nullish().describe("Least part of the best one's attention a token."),
};
export const pruneBody = z
  .object({
    ...{ model, query },
    text: textField().nullish(),
    documents: documents.nullish(),
    ...pruneLimit,
    unit: choiceField(["sentence", "chunk"]).nullish(),
    marker: textField().nullish().describe("Stands where text was left out."),
  })
  .refine((body) => (body.text == null) !== (body.documents == null), {
    error: 'expected exactly one of "text" and "documents"',
  })
  .refine(
    ({ budget_tokens, threshold, top_k, relative }) => {
      const given = [budget_tokens, threshold, top_k].filter((limit) => limit != null).length;
      return given === 1 || (given === 0 && relative != null);
    },
    { error: 'expected exactly one of "budget_tokens", "threshold" and "top_k", or "relative"' },
  );
export const retrieveBody = z.object({
  ...{ model, query, corpus },
  documents: someDocuments.nullish(),
  top_k: count("Chunks to take. Defaults to as many as fit."),
  threshold: shareField().nullish().describe("Take no chunk whose relevance is below this. Defaults to none."),
  budget_tokens: count("Tokens that the text may have. Defaults to 2000."),
  chunk_tokens: count("Tokens of the chunks that documents are cut into, at least 8. Defaults to 200."),
  candidates: count(
    "Chunks that BM25 chooses for the heads to rank, where there are more. Defaults to 200; of a corpus to all.",
  ),
  order: choiceField(["given", "score"]).nullish(),
  fuse,
});
export const corpusBody = z.object({
  ...{ model, documents: someDocuments },
  chunk_tokens: count("Cut documents into chunks of so many tokens first. Defaults to not at all."),
});

export type DocumentBody = z.infer<typeof documentText>;

/** @throws HttpError 400 with the field at fault. */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.path.length === 0)
    throw new HttpError(400, issue.code === "custom" ? issue.message : "The body must be a JSON object");
  throw new HttpError(400, `"${issue.path.map(String).join(".")}" ${issue.message}`);
}

/** A document of a body as the library takes it. Of an object without a text, its fields one a line. */
export function toDocument(document: DocumentBody, index: number, fields?: readonly string[] | null) {
  // Ids are the index: those of a body need not differ.
  const id = String(index);
  if (typeof document === "string") return { id, text: document };
  const { text, title } = document;
  if (!fields && typeof text === "string") return { id, text, ...(typeof title === "string" && { title }) };
  const names = fields ?? Object.keys(document);
  const lines = names.filter((name) => document[name] != null).map((name) => `${name}: ${asText(document[name])}`);
  return { id, text: lines.join("\n") };
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
