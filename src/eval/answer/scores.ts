/** Words of a short answer as SQuAD compares them: lower case, punctuation taken out (`U.S.` is `us`), no articles. */
function words(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/[\p{P}$+<=>^`|~]/gu, "")
    .split(/\s+/)
    .filter((word) => word !== "" && !["a", "an", "the"].includes(word));
}

/** 1 where both answers have the same words in the same order (Rajpurkar et al. 2016). */
export function exactMatch(given: string, expected: string): number {
  return words(given).join(" ") === words(expected).join(" ") ? 1 : 0;
}

/** Harmonic mean of precision and recall of the expected answer's words, repeated ones counted as often as they stand. */
export function tokenF1(given: string, expected: string): number {
  const [found, wanted] = [words(given), words(expected)];
  if (found.length === 0 || wanted.length === 0) return found.length === wanted.length ? 1 : 0;
  const left = [...wanted];
  let common = 0;
  for (const word of found) {
    const at = left.indexOf(word);
    if (at === -1) continue;
    left.splice(at, 1);
    common++;
  }
  return common === 0 ? 0 : (2 * common) / (found.length + wanted.length);
}

/** Whether a judge says yes or no; null where it says neither. */
export function parseJudgement(answer: string): boolean | null {
  const match = /\b(yes|no)\b/i.exec(answer);
  return match ? match[1]!.toLowerCase() === "yes" : null;
}

/** The verdict that an answer gives first; null where it gives none. */
export function parseVerdict(answer: string): boolean | null {
  const match = /\b(true|false)\b/i.exec(answer);
  return match ? match[1]!.toLowerCase() === "true" : null;
}
