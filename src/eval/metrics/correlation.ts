/**
 * Kendall's τ-b between two scorings of the same items: 1 for the same order, −1 for the reverse. Pairs that either
 * ties count in neither numerator; `NaN` where one scoring ties everything.
 */
export function kendallTau(a: readonly number[], b: readonly number[]): number {
  let [concordance, pairsA, pairsB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const inA = Math.sign(a[i]! - a[j]!);
      const inB = Math.sign(b[i]! - b[j]!);
      concordance += inA * inB;
      pairsA += Math.abs(inA);
      pairsB += Math.abs(inB);
    }
  }
  return concordance / Math.sqrt(pairsA * pairsB);
}
