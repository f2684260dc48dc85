/** What one method made of one query: a line of the journal. */
export type Outcome = {
  task: string;
  query: string;
  method: string;
  /** 0 is the candidates' own order; others are seeded permutations of it. */
  permutation: number;
  status: "ok" | "failed";
  /** Candidates in first-stage order; none when the method failed. */
  ids: string[];
  /** As long as `ids`, higher is better; numbers of single precision. */
  scores: number[];
  /** What the heads alone gave, where the scores have a first stage in them; as long as `ids`. */
  attention?: number[];
  /** Milliseconds of ranking, without finding the candidates. */
  ms: number;
  tokens?: number;
  /** What makes the ranking doubtful, in the method's own words. */
  warnings?: string[];
  /** Documents whose end a model with a short context did not read. */
  cut?: number;
  /** Answers that the model was asked for, and those that were no permutation. */
  answers?: number;
  malformed?: number;
  /** Largest resident memory of the process seen while the method ran, up to this query. */
  peakBytes?: number;
  error?: string;
  /** What a generator answered, where that was the task; `ids` are then the documents that it saw. */
  answer?: { given: string; expected: string; exact: number; f1: number; judged?: number };
};

export function outcomeKey({
  task,
  query,
  method,
  permutation,
}: Pick<Outcome, "task" | "query" | "method" | "permutation">): string {
  return JSON.stringify([task, query, method, permutation]);
}
