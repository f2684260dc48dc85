import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { InputError, type LoadOptions, type Retriever } from "../index.ts";

/** What a worker ranks with. Rankings of two setups do not belong into one file. */
export type Setup = { model: string; heads: string; digest: string };

/** Bytes hashed at either end of a model's file. */
const END_BYTES = 2 ** 20;
/** Options that change the speed of a ranking and, on one kind of processor, not its result. */
const NO_MATTER = new Set([
  "threads",
  "gpu",
  "gpuLayers",
  "libraryDirectory",
  "mmap",
  "check",
  "checkTimeout",
  "model",
]);

/** The setup of a loaded retriever. The digest is over the model's file (its size and both ends), heads, what they are fused with by default, and options. */
export async function setupOf(
  { model, heads, headSet, fuse }: Pick<Retriever, "model" | "heads" | "headSet" | "fuse">,
  load: LoadOptions,
): Promise<Setup> {
  const options = Object.entries(load).filter(([name, value]) => value !== undefined && !NO_MATTER.has(name));
  const hash = createHash("sha256").update(JSON.stringify([heads, options.sort(), ...(fuse === "none" ? [] : [fuse])]));
  const handle = await open(model.path);
  try {
    const { size } = await handle.stat();
    hash.update(String(size));
    for (const begin of [0, Math.max(0, size - END_BYTES)]) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(END_BYTES), 0, END_BYTES, begin);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
  return { model: model.name, heads: headSet, digest: hash.digest("hex").slice(0, 16) };
}

/** Checks that all results of a run come from one setup. */
export class OneSetup {
  #first: { setup: Setup; from: string } | undefined;

  /** @throws InputError `INVALID_INPUT` for a result of another setup than the first one's. */
  assert(setup: Setup, from: string): void {
    this.#first ??= { setup, from };
    const { setup: first, from: other } = this.#first;
    if (setup.digest === first.digest) return;
    throw new InputError(
      "INVALID_INPUT",
      `Results of two setups cannot be combined: ${first.model} with ${first.heads} of ${other}, and ${setup.model} with ${setup.heads} of ${from}`,
      { advice: "give workers of another model or other options another --queue, or start over with --force" },
    );
  }
}
