/** The first of `count` positions at which a condition holds that stays true from there on; `count` when none. */
export function firstWhere(count: number, condition: (position: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (condition(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
