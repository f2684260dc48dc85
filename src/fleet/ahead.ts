/**
 * Works on several items at once, and gives the outcomes in the order of the items.
 *
 * @param most Items in work or waiting to be given, at least 1.
 */
export async function* ahead<I, O>(
  items: AsyncIterable<I> | Iterable<I>,
  most: number,
  begin: (item: I) => Promise<O>,
): AsyncGenerator<{ item: I; outcome: PromiseSettledResult<O> }> {
  const begun: { item: I; outcome: Promise<PromiseSettledResult<O>> }[] = [];
  for await (const item of items) {
    begun.push({ item, outcome: settled(begin(item)) });
    if (begun.length >= most) yield await first(begun);
  }
  while (begun.length > 0) yield await first(begun);
}

async function first<I, O>(begun: { item: I; outcome: Promise<PromiseSettledResult<O>> }[]) {
  const { item, outcome } = begun.shift()!;
  return { item, outcome: await outcome };
}

async function settled<O>(work: Promise<O>): Promise<PromiseSettledResult<O>> {
  const [outcome] = await Promise.allSettled([work]);
  return outcome;
}
