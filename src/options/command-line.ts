import { DOCUMENT_FORMATS, EXPORT_FORMATS } from "./choices.ts";
import { choice, fileNamed, integer, type OptionSet, other, text, texts, toggle } from "./spec.ts";

// Options that only the command line has.

const INPUT = "Input";
const OUTPUT = "Output";

export const SPLITS = ["auto", "lines", "chunks", "whole"] as const;
export const RANKING_FORMATS = ["table", "ids", "tsv", "text", "json"] as const;
export const RETRIEVAL_FORMATS = ["full", "ids", "tsv", "text", "json"] as const;

/** Pictures of heads, by the end of their names. */
const PICTURES = [".html", ".svg"] as const;

export const COMMON = {
  quiet: toggle({ flag: "--quiet", group: "Common", says: "no progress bar and no footer; warnings stay" }),
  verbose: toggle({ flag: "--verbose", group: "Common", says: "show the stack and the causes of an error" }),
  helpAll: toggle({ flag: "--help-all", group: "Common", says: "help with every option" }),
} as const satisfies OptionSet;

export const INPUTS = {
  query: text({ flag: "-q, --query <TEXT>", says: "the question, if it is not the first argument", group: INPUT }),
  queryFile: text({
    ...{ flag: "--query-file <FILE>", says: "file that holds the question, - for standard input", group: INPUT },
    expected: "a path",
  }),
  queries: text({
    ...{ flag: "--queries <FILE>", group: INPUT, expected: "a path" },
    says: "file of questions, one per line or JSON Lines; --json then prints a line for each",
  }),
  docs: texts({
    ...{ flag: "--docs <FILE>", group: INPUT, expected: "a path" },
    says: "documents file, - for standard input; the same as a file argument with one document per line",
    flagSays: "documents file: JSON Lines, a JSON array or one document per line",
  }),
  docsFormat: choice({
    ...{ choices: DOCUMENT_FORMATS, flag: "--docs-format <NAME>", group: INPUT, shortDefault: "recognised" },
    says: "format of documents files",
  }),
  split: choice({
    ...{ choices: SPLITS, flag: "--split <HOW>", group: INPUT, shortDefault: "auto" },
    says: "how text files become documents",
    more: "`auto` makes every line of plain text a document, and cuts Markdown and source code into chunks.",
  }),
  cache: text({
    ...{ flag: "--cache <FILE>", group: INPUT, expected: "a path", writes: true },
    says: "cache prefilled documents in FILE, and reuse them",
  }),
  index: text({
    ...{ flag: "--index <FILE>", group: INPUT, expected: "a path", writes: true },
    says: "index made by qrhead index, instead of files",
  }),
  reader: text({
    ...{ flag: "--reader <M>", group: "Model", expected: "a path or an hf: URI" },
    says: "GGUF whose vocabulary counts the budget",
  }),
  examples: text({
    ...{ flag: "--examples <FILE>", expected: "a path" },
    says: "examples file, - for standard input",
  }),
  bootstrap: text({
    ...{ flag: "--bootstrap [PATH]", expected: "a path" },
    says: "make examples from this text, or from one that comes with qrhead",
  }),
  needles: text({
    ...{
      flag: "--needles <FILE>",
      group: "Haystacks",
      expected: "a path",
      shortDefault: "three that ship with qrhead",
    },
    says: 'a JSON array of {"needle", "question"}',
  }),
} as const satisfies OptionSet;

export const OUTPUTS = {
  output: text({ flag: "-o, --output <OUT>", says: "file to write", expected: "a path", writes: true }),
  force: toggle({ flag: "--force", says: "replace the file if it exists", group: OUTPUT }),
  json: toggle({ flag: "--json", says: "print one JSON object" }),
  format: choice({
    ...{ choices: RANKING_FORMATS, flag: "--format <NAME>", shortDefault: "table" },
    says: "output format",
  }),
  plot: fileNamed(PICTURES, {
    ...{ flag: "--plot <OUT>", group: OUTPUT, says: "also draw a map of all heads, .html or .svg" },
  }),
  trials: text({
    ...{ flag: "--trials <OUT>", expected: "a path", writes: true },
    says: 'write {"layer-head": [score per trial]}, the format of Wu et al., to this file',
  }),
  answers: text({
    ...{ flag: "--answers <OUT>", expected: "a path", writes: true },
    says: "write the model's answer in every trial to this file, a line of JSON each",
  }),
  headSet: text({ flag: "--head-set <OUT>", expected: "a path", writes: true, says: "head-set file to write" }),
  report: text({
    ...{
      flag: "--report <DIR>",
      expected: "a folder",
      writes: true,
      says: "folder for report.json, report.html and TREC runs",
    },
  }),
  remove: toggle({ flag: "--remove", says: "remove them, too" }),
  noVerify: toggle({
    ...{ flag: "--no-verify", group: OUTPUT },
    says: "do not check that both files give the same scores",
  }),
} as const satisfies OptionSet;

/** What `qrhead heads` takes beside the options of a model. */
export const HEAD_TOOLS = {
  top: integer({ min: 1, required: true, flag: "--top <N>", says: "heads to keep" }),
  format: choice({
    ...{ choices: EXPORT_FORMATS, required: true, flag: "--format <NAME>", says: "format" },
  }),
  picture: fileNamed(PICTURES, {
    ...{ required: true, flag: "-o, --output <OUT>", says: "picture to write, .html or .svg" },
  }),
} as const satisfies OptionSet;

/** What `qrhead models pull` takes. */
export const PULLING = {
  sha256: other<string>({
    ...{ type: "string", flag: "--sha256 <HEX>", expected: "a SHA-256: 64 hexadecimal digits" },
    accepts: (value) => typeof value === "string" && /^[\da-f]{64}$/i.test(value),
    ...{ says: "expected checksum", shortDefault: "what the server says" },
  }),
} as const satisfies OptionSet;

/** What `qrhead doctor` takes beside the options of a device. */
export const CHECKING = {
  check: text({
    ...{ flag: "--check <FILE>", expected: "the path of a GGUF" },
    says: "load and run this file in a process of its own, and print one line with the result",
  }),
} as const satisfies OptionSet;

const PAPERS = { shortDefault: "the paper's" };

/** What `qrhead reproduce` takes beside the options of a model. */
export const REPRODUCING = {
  data: text({ required: true, flag: "--data <PATH>", expected: "a path", says: "the table's data" }),
  output: text({
    ...{ flag: "-o, --output <DIR>", expected: "a folder", writes: true },
    ...{ says: "folder of the results", shortDefault: "reproduce-TABLE" },
  }),
  candidates: integer({ min: 1, flag: "--candidates <N>", says: "candidates a query", ...PAPERS }),
  limit: integer({ min: 1, flag: "--limit <N>", says: "queries or examples", ...PAPERS }),
  maxDocumentWords: integer({ min: 1, flag: "--max-document-words <N>", says: "words of a document", ...PAPERS }),
} as const satisfies OptionSet;
