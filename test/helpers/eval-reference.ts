// Measures and BM25 once more, written from their definitions in another way: by walking ranks and by whole matrices,
// without sorting indexes or inverted lists.
import { termsOf } from "../../src/bm25/words.ts";

/** A ranking as trec_eval orders it, by selection: take the best of what is left, again and again. */
export function orderBySelection(scores: Map<string, number>): string[] {
  const left = new Map(scores);
  const order: string[] = [];
  while (left.size > 0) {
    let best: string | undefined;
    for (const [id, score] of left) {
      if (best === undefined || score > left.get(best)! || (score === left.get(best)! && id > best)) best = id;
    }
    order.push(best!);
    left.delete(best!);
  }
  return order;
}

export function referenceMeasures(order: string[], grades: Map<string, number>, k: number) {
  let [hits, precisionSum, firstHit, hitsAtK, dcg] = [0, 0, 0, 0, 0];
  for (let rank = 1; rank <= order.length; rank++) {
    const grade = grades.get(order[rank - 1]!) ?? 0;
    if (rank <= k && grade > 0) dcg += (grade * Math.LN2) / Math.log(1 + rank);
    if (grade <= 0) continue;
    hits++;
    precisionSum += hits / rank;
    if (firstHit === 0) firstHit = rank;
    if (rank <= k) hitsAtK++;
  }
  let [relevant, highest] = [0, 0];
  for (const grade of grades.values()) {
    if (grade > 0) relevant++;
    highest = Math.max(highest, grade);
  }
  // The ideal ranking counts grades down from the highest.
  let [ideal, rank] = [0, 1];
  for (let grade = highest; grade > 0; grade--) {
    for (const judged of grades.values()) {
      if (judged === grade && rank <= k) ideal += (grade * Math.LN2) / Math.log(1 + rank++);
    }
  }
  return {
    ndcg: ideal === 0 ? 0 : dcg / ideal,
    map: relevant === 0 ? 0 : precisionSum / relevant,
    mrr: firstHit === 0 ? 0 : 1 / firstHit,
    recall: relevant === 0 ? 0 : hitsAtK / relevant,
    p: hitsAtK / k,
    success: hitsAtK > 0 ? 1 : 0,
  };
}

/** BM25 by its formula, document by document. */
export function referenceBm25(query: string, texts: string[]): number[] {
  const documents = texts.map((text) => termsOf(text, "lucene"));
  const average = documents.flat().length / documents.length;
  return documents.map((terms) => {
    let score = 0;
    for (const term of termsOf(query, "lucene")) {
      const containing = documents.filter((other) => other.includes(term)).length;
      const frequency = terms.filter((other) => other === term).length;
      if (frequency === 0) continue;
      const idf = Math.log((documents.length + 1) / (containing + 0.5));
      score += (idf * frequency * 1.9) / (frequency + 0.9 * (0.6 + (0.4 * terms.length) / average));
    }
    return score;
  });
}
