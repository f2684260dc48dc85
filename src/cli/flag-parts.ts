/** The parts of flags such as `-c, --context-size <N>`. */
export function partsOf(flags: string): { short?: string; long: string; value?: string } {
  const [, short, long, value] = /^(?:(-\w+), )?(--[\w-]+)(?: (.+))?$/.exec(flags)!;
  return { long: long!, ...(short && { short }), ...(value && { value }) };
}
