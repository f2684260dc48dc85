import type { ExampleScores } from "../../src/detect/objectives.ts";
import { seededRandom } from "../../src/heads/heads.ts";

type Made = { documents: number; noise: number; masses?: (head: number) => number; seed?: number };

/** Scores of examples with one gold document each, to which every head gives its signal beyond noise of up to half of `noise`. */
export function exampleScores(
  count: number,
  signals: readonly number[],
  { documents, noise, masses = () => 0, seed = 1 }: Made,
): ExampleScores[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const gold = Math.floor(random() * documents);
    const scores = new Float32Array(signals.length * documents);
    for (const [head, signal] of signals.entries()) {
      for (let document = 0; document < documents; document++) {
        scores[head * documents + document] = noise * (random() - 0.5) + (document === gold ? signal : 0);
      }
    }
    const seen = Float32Array.from({ length: scores.length }, (_, head) => masses(head));
    return { scores, ranking: scores, masses: seen.slice(0, signals.length), documents, gold: [gold] };
  });
}
