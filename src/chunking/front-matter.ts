/** A line of dashes, or of plus signs, and the first line of what they frame: a key of YAML or of TOML. */
const YAML = /^(?:\uFEFF)?---[^\S\r\n]*(?:\r\n|\r|\n)(?=["']?[\p{L}_][\p{L}\p{N}_ .-]{0,80}["']?:(?:[ \t\r\n]|$)|#)/u;
const TOML =
  /^(?:\uFEFF)?\+\+\+[^\S\r\n]*(?:\r\n|\r|\n)(?=["']?[\p{L}_][\p{L}\p{N}_.-]{0,80}["']?[ \t]*=|\[[^\]\r\n]{1,80}\]|#)/u;
const YAML_END = /(?:\r\n|\r|\n)(?:---|\.\.\.)[^\S\r\n]*(?:\r\n|\r|\n|$)/g;
const TOML_END = /(?:\r\n|\r|\n)\+\+\+[^\S\r\n]*(?:\r\n|\r|\n|$)/g;

/**
 * Length of the front matter at the beginning of a text: YAML between lines of dashes, or TOML between lines of plus signs. 0
 * if there is none. A rule that no key follows begins none.
 */
export function frontMatterLength(text: string): number {
  for (const [begin, end] of [
    [YAML, YAML_END],
    [TOML, TOML_END],
  ] as const) {
    const opening = begin.exec(text);
    if (!opening) continue;
    end.lastIndex = opening[0].length;
    const closing = end.exec(text);
    if (closing) return closing.index + closing[0].length;
  }
  return 0;
}
