/** A number and what it counts: `1 file`, `2 files`; `several` where the plural is no `one` with an s. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
