/** The part that English text has in how rare a word is; the rest is that of the documents. Chosen on held-out training questions. */
const ENGLISH_SHARE = 0.75;

/** A stem of so many passages is common in English. */
const COMMON = 30;
/** Documents are English text if at least this part of their words is common: others have at most .47, English lists at least .6. */
const LEAST_COMMON = 0.55;

/** Passages of a stem that is not listed, which is rarer than any that is. */
const UNLISTED = 2;

/** How many passages of English text were counted, and how many of them have each stem, without the rarest. */
type English = { passages: number; counts: ReadonlyMap<string, number> };

let loaded: English | undefined;

/** Reads the table of stems. It is large, so that it is no part of what `import "qrhead"` loads. */
export async function loadEnglish(): Promise<void> {
  if (loaded) return;
  const { PASSAGES, STEMS_BY_COUNT } = await import("./english-counts.ts");
  const counts = new Map(
    STEMS_BY_COUNT.split("\n").flatMap((line) => {
      const [count, ...stems] = line.split(" ");
      return stems.map((stem): [string, number] => [stem, Number(count)]);
    }),
  );
  loaded = { passages: PASSAGES, counts };
}

function english(): English {
  if (!loaded) throw new Error("loadEnglish() must come before the first documents");
  return loaded;
}

/** Inverse document frequency, as BM25 has it: ln(1 + (N − n + ½) / (n + ½)). */
export function inverseFrequency(documents: number, having: number): number {
  return Math.log(1 + (documents - having + 0.5) / (having + 0.5));
}

/** @param stems With how often a text has each; @returns Whether it is English. */
export function isEnglish(stems: Iterable<readonly [stem: string, count: number]>): boolean {
  const { counts } = english();
  let [common, all] = [0, 0];
  for (const [stem, count] of stems) {
    all += count;
    if ((counts.get(stem) ?? 0) >= COMMON) common += count;
  }
  return common >= LEAST_COMMON * all;
}

/**
 * The inverse document frequency of a stem among documents that are too few to tell, such as those that a search found, which
 * all have the words of the query: the geometric mean of that in English text (¾) and that in the documents (¼).
 *
 * @param own The inverse document frequency in the documents.
 */
export function rarityInEnglish(stem: string, own: number): number {
  const { passages, counts } = english();
  const inEnglish = inverseFrequency(passages, counts.get(stem) ?? UNLISTED);
  return inEnglish ** ENGLISH_SHARE * own ** (1 - ENGLISH_SHARE);
}
