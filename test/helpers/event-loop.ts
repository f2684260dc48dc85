/** How often the event loop turns while work goes on: a call that blocks it leaves it a few turns, one that does not thousands. */
export async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  try {
    await work;
  } finally {
    isOver = true;
  }
  return turns;
}
