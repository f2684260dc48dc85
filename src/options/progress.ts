/** What callbacks get; here, so that the types of options need no room above. */

/**
 * How far a long operation has come, phase by phase: within a phase of one call `total` stays and `done` never goes back.
 * `load` counts in hundredths, `query` of `rankMany` in queries, parts of one included, and the others in tokens;
 * `prefill` of windows in the tokens of all that are planned.
 */
export type Progress = { phase: "download" | "load" | "prefill" | "null" | "query"; done: number; total: number };

/** How far `ask` has come. `sources`: tokens of the prompt that the generator has read, before its first word. */
export type AskProgress = Progress | { phase: "sources"; done: number; total: number };

/**
 * How far detection has come. First every prompt is checked for its length, then all are scored. `resumed` of `done` were
 * read in an earlier run.
 */
export type ExampleProgress = {
  phase: "check" | "score";
  done: number;
  total: number;
  id: string;
  resumed?: number;
};

/** A needle in a haystack: which one, in how many tokens, at which depth, and what the model answered. */
export type Trial = { needle: number; tokens: number; depth: number; answer: string; recall: number; counted: boolean };

/** How far the update of an index has come, in files. */
export type IndexProgress = { phase: "files"; done: number; total: number };

/** A file that was left out, and why: `"is empty"`, `"is not text but a PNG image: …"`. */
export type LeftOutFile = { file: string; reason: string };
