import { assertHeadSet } from "../heads/given-set.ts";
import type { HeadSet } from "../heads/head-set.ts";

/** A head set that `detectHeads` found: it says where it comes from. */
export type DetectedHeadSet = HeadSet &
  Required<Pick<HeadSet, "model" | "prompt" | "objective" | "source" | "seed" | "scores">>;

/**
 * The head-set file: JSON with a line for each field, and for the scores of each layer.
 *
 * @throws InputError `INVALID_ARGUMENT` for what is no head set.
 * @example
 * const text = formatHeadSet({ format: "qrhead-heads", version: 1, heads: [[13, 18]] });
 */
export function formatHeadSet(set: HeadSet): string {
  assertHeadSet(set);
  const { scores, ...fields } = set;
  const lines = Object.entries(fields).map(([name, value]) => ` ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const rows = scores?.map((row) => `  ${JSON.stringify(row)}`).join(",\n");
  return `{\n${[...lines, ...(rows ? [` "scores": [\n${rows}\n ]`] : [])].join(",\n")}\n}\n`;
}
