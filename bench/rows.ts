// What all parts of the bench share: rows of one table, medians of trials that take turns, texts and queries.

/** One line of the table. `atMost` is what this project asks of it; without one it stands beside the others. */
export type Row = { measure: string; value: number; unit?: string; atMost: number | null; detail?: string };

export type Settings = { rounds: number; model: string | undefined };

/** Something that is measured again and again. `before` runs first and is not counted. */
export type Trial = { before?: () => Promise<unknown>; run: () => Promise<unknown> };

const WORDS = "the of river stone light harbour engine letter winter garden paper music road glass night bread".split(
  " ",
);

/** Texts that share words and differ; about 1.3 tokens a word. */
export function texts(count: number, words: number, seed: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    Array.from({ length: words }, (_, at) => WORDS[(index * 7 + at * at * 3 + at * seed) % WORDS.length]).join(" "),
  );
}

const questions = (words: number) => texts(10, words, 5).map((text, index) => `Where is ${text} number ${index}?`);
/** Of 14 words: as long as HotpotQA's and MuSiQue's. */
export const queries = questions(10);
/** Of 10 words: as long as SQuAD's. */
export const shortQueries = questions(6);

let turn = 0;
/** Texts that were in no call before. */
export function freshTexts(count: number, words: number): string[] {
  return texts(count, words, 2).map((text) => `${turn++} ${text}`);
}

/** Milliseconds of each trial, the median over rounds in which they take turns; one more round before them warms up. */
export async function medians<const Trials extends readonly Trial[]>(
  rounds: number,
  trials: Trials,
): Promise<{ [Index in keyof Trials]: number }> {
  const all = trials.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { before, run }] of trials.entries()) {
      await before?.();
      const began = performance.now();
      await run();
      if (round > 0) all[index]!.push(performance.now() - began);
    }
  }
  return all.map(middle) as { [Index in keyof Trials]: number };
}

export function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >>> 1]!;
}

export function ratio(measure: string, atMost: number | null, [one, other]: readonly [number, number]): Row {
  return { measure, value: one / other, atMost, detail: `${one.toFixed(0)} and ${other.toFixed(0)} ms` };
}

export function printRow({ measure, value, unit = "", atMost, detail = "" }: Row): void {
  const digits = unit === "" ? 3 : value < 10 && !Number.isInteger(value) ? 2 : 0;
  const goal = atMost === null ? "" : `at most ${atMost}${unit}: ${value <= atMost ? "yes" : "**no**"}`;
  console.log(`| ${measure} | ${value.toFixed(digits)}${unit} | ${goal} | ${detail} |`);
}
