// What the steps of the test share: running one, saying how it went, and comparing scores.

/**
 * Largest difference of a score between platforms, as a part of the largest score: their kernels add in other orders. With a
 * cache of F16 llama.cpp's flash attention multiplies and adds in half precision on arm64 and not on x64. The built-in model
 * computes in eight bits besides, where a last digit that differs rounds a whole activation to its neighbour.
 */
const TOLERANCE = { "F32 weights and cache": 1e-4, "F32 weights": 5e-4, "the built-in model": 5e-4 };

/** Names of the steps that failed. */
export const problems = [];

export async function step(platform, name, run) {
  const begin = performance.now();
  try {
    const detail = await run();
    const seconds = `${Math.round((performance.now() - begin) / 1000)} s`;
    console.log(`ok   ${platform}: ${name} (${detail ? `${detail}, ` : ""}${seconds})`);
  } catch (error) {
    problems.push(name);
    console.log(`FAIL ${platform}: ${name}\n     ${error.message}`);
  }
}

/** @throws Error with `message` where `condition` is false. */
export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** @returns The largest difference as a part of the largest score. */
function difference(found, expected) {
  const byId = (results) => new Map(results.map(({ id, score }) => [id, score]));
  const scores = byId(expected);
  check(found.length === expected.length, `${found.length} results instead of ${expected.length}`);
  const largest = Math.max(...[...scores.values()].map(Math.abs));
  return Math.max(...[...byId(found)].map(([id, score]) => Math.abs(score - scores.get(id)))) / largest;
}

/** @throws Error where a score is not within the tolerance. */
export function compare(found, expected, weights = "the built-in model") {
  const apart = difference(found, expected);
  check(apart <= TOLERANCE[weights], `scores differ by ${apart} of the largest`);
  return apart === 0 ? "the same to the last bit" : `${apart.toExponential(1)} of the largest score`;
}
