import { choice, type OptionSet, other, text, texts, toggle } from "../options/spec.ts";

/** Options that only the command line has. */

const INPUT = "Input";
const OUTPUT = "Output";

/** How documents files may be written. */
const DOCUMENT_FORMAT_NAMES = ["auto", "text", "json", "jsonl"] as const;
export const SPLITS = ["auto", "lines", "chunks", "whole"] as const;
export const RANKING_FORMATS = ["table", "ids", "tsv", "text", "json"] as const;
export const RETRIEVAL_FORMATS = ["full", "ids", "tsv", "text", "json"] as const;

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
    ...{ choices: DOCUMENT_FORMAT_NAMES, flag: "--docs-format <NAME>", group: INPUT, shortDefault: "recognised" },
    says: "format of documents files",
  }),
  split: choice({
    ...{ choices: SPLITS, flag: "--split <HOW>", group: INPUT, shortDefault: "auto" },
    says: "how text files become documents",
    more: "`auto` makes every line of plain text a document, and cuts Markdown and source code into chunks.",
  }),
  cache: text({
    ...{ flag: "--cache <FILE>", group: INPUT, expected: "a path" },
    says: "cache prefilled documents in FILE, and reuse them",
  }),
  index: text({
    ...{ flag: "--index <FILE>", group: INPUT, expected: "a path" },
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
  output: text({ flag: "-o, --output <OUT>", says: "file to write", expected: "a path" }),
  force: toggle({ flag: "--force", says: "replace the file if it exists", group: OUTPUT }),
  json: toggle({ flag: "--json", says: "print one JSON object" }),
  format: choice({
    ...{ choices: RANKING_FORMATS, flag: "--format <NAME>", shortDefault: "table" },
    says: "output format",
  }),
  plot: other({
    ...{ type: "string", flag: "--plot <OUT>", group: OUTPUT, expected: "a path that ends in .html or .svg" },
    says: "also draw a map of all heads, .html or .svg",
  }),
  trials: text({
    ...{ flag: "--trials <OUT>", expected: "a path" },
    says: 'write {"layer-head": [score per trial]}, the format of Wu et al., to this file',
  }),
  answers: text({
    ...{ flag: "--answers <OUT>", expected: "a path" },
    says: "write the model's answer in every trial to this file, a line of JSON each",
  }),
  noVerify: toggle({
    ...{ flag: "--no-verify", group: OUTPUT },
    says: "do not check that both files give the same scores",
  }),
} as const satisfies OptionSet;
