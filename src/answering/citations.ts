// White space of a bounded length: a long stretch of it must not be tried from each of its places.
const NUMBER = String.raw`(?:(?:sources?|documents?)\s{0,4}:?\s{0,4}|[#^])?[1-9]\d{0,2}`;
/** `[1]`, `[1, 3]`, `[2-4]`, `[source 1 and 2]`, `[document: 1]`, `[^1]`, `[#1]`, `【1】`. */
const IN_BRACKETS = new RegExp(
  String.raw`[[【]\s{0,4}(${NUMBER}(?:\s{0,4}(?:,|;|&|and|-|–|to)\s{0,4}${NUMBER})*)\s{0,4}[\]】]`,
  "gi",
);
/** `source 1`, `Sources: 1 and 3`, as models write that were told to cite with brackets. */
const IN_WORDS =
  /\bsources?(?:\s{0,4}:\s{0,4}|\s{1,4})([1-9]\d{0,2}\b(?:\s{0,4}(?:,|&|and|-|–|to)\s{0,4}[1-9]\d{0,2}\b)*)/gi;

/** The numbers of sources that an answer cites, each once and in order; none above `count`. */
export function citationsIn(answer: string, count: number): number[] {
  const cited = new Set<number>();
  for (const pattern of [IN_BRACKETS, IN_WORDS]) {
    for (const [, list] of answer.matchAll(pattern)) {
      for (const [, from, to] of list!.matchAll(/(\d+)(?:\s{0,4}(?:-|–|to)\s{0,4}(?:sources?\s{0,4})?(\d+))?/gi)) {
        const end = Math.min(count, Number(to ?? from));
        for (let number = Math.max(1, Number(from)); number <= end; number++) cited.add(number);
      }
    }
  }
  return [...cited].sort((a, b) => a - b);
}
