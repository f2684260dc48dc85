// A test model with other metadata, made where it is used.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { MetadataValue } from "../../scripts/models/gguf-writer.ts";
import { isCurrent, makeModel } from "../../scripts/models/make.ts";
import { modelSpec } from "../../scripts/models/table.ts";

const directory = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", ".cache", "variants");

/** Writes model `base` with `metadata` in place of its own, unless it is there already, and returns its path. */
export function makeVariant(base: string, name: string, metadata: Record<string, MetadataValue>): string {
  const spec = modelSpec(base);
  const changed = { ...spec, name, metadata: { ...spec.metadata, ...metadata } };
  const file = path.join(directory, `${name}.gguf`);
  mkdirSync(directory, { recursive: true });
  if (!isCurrent(file, changed)) makeModel(changed, file);
  return file;
}
