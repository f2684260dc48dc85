/** Words of the generator's state, and the distance of the words that it mixes. (Matsumoto and Nishimura 1998, MT19937.) */
const [WORDS, APART] = [624, 397];

/**
 * The permutation of 0 … count − 1 that NumPy gives for `np.random.seed(seed); np.random.permutation(count)`, number by
 * number. `np.random.choice(count, n, replace=False)` is its first n.
 *
 * @param seed An integer from 0 to 2³²−1.
 */
export function numpyPermutation(count: number, seed: number): number[] {
  const next = mersenneTwister(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const mask = 2 ** (32 - Math.clz32(i)) - 1;
    let j: number;
    // Numbers above i are thrown away, so that each place is equally likely.
    do j = (next() & mask) >>> 0;
    while (j > i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** MT19937, 32 bits at a time, seeded by one number. */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let i = 1; i < WORDS; i++) {
    const before = state[i - 1]!;
    state[i] = Math.imul(before ^ (before >>> 30), 1812433253) + i;
  }
  let place = WORDS;
  return () => {
    if (place === WORDS) {
      for (let i = 0; i < WORDS; i++) {
        const mixed = (state[i]! & 0x80000000) | (state[(i + 1) % WORDS]! & 0x7fffffff);
        state[i] = state[(i + APART) % WORDS]! ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
      }
      place = 0;
    }
    let word = state[place++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  };
}
