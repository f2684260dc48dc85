/** The score at which relevance is three quarters. */
const HALF = 0.1;

/**
 * Scores as numbers from 0 to 1, for interfaces that promise them: (1 + s / (|s| + 0.1)) / 2, which is 0.5 for a score of 0
 * (no more attention than the null query's), and strictly rises with the score. It is no probability, and as scores it is
 * comparable within one call only. Documents that stand lower than their scores get no more than the one before.
 *
 * @param scores In the order of the ranking.
 */
export function toRelevance(scores: readonly number[]): number[] {
  let most = 1;
  return scores.map((score) => {
    most = Math.min(most, (1 + score / (Math.abs(score) + HALF)) / 2);
    return most;
  });
}
