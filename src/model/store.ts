import { readdir, readFile, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { InputError } from "../errors.ts";

/** A model that was pulled. */
export type PulledModel = { name: string; file: string; bytes: number; source?: string; sha256?: string };

/** Where a model came from: what stands beside it as `NAME.gguf.json`. */
export type ModelRecord = { source: string; sha256: string; bytes: number };

/** `QRHEAD_MODELS`, else `qrhead/models` where the system keeps programs' data. */
export function modelsFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.QRHEAD_MODELS) return path.resolve(env.QRHEAD_MODELS);
  const data =
    env.XDG_DATA_HOME ||
    (process.platform === "win32" && env.LOCALAPPDATA) ||
    (process.platform === "darwin"
      ? path.join(homedir(), "Library", "Application Support")
      : path.join(homedir(), ".local", "share"));
  return path.join(data, "qrhead", "models");
}

/** Where the record of a model's file is. */
export function recordOf(file: string): string {
  return `${file}.json`;
}

/** The models of the folder, by name. */
export async function listPulled(): Promise<PulledModel[]> {
  const folder = modelsFolder();
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".gguf")).sort();
  return Promise.all(
    names.map(async (name): Promise<PulledModel> => {
      const file = path.join(folder, name);
      const [{ size }, record] = await Promise.all([stat(file), readRecord(file)]);
      return {
        ...{ name: name.slice(0, -".gguf".length), file, bytes: size },
        ...(record && { source: record.source, sha256: record.sha256 }),
      };
    }),
  );
}

async function readRecord(file: string): Promise<ModelRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordOf(file), "utf8")) as ModelRecord;
  } catch {
    return undefined;
  }
}

/** The file of a pulled model; undefined where there is none of that name, or a file in the working folder has it. */
export async function findPulled(name: string, folder = modelsFolder()): Promise<string | undefined> {
  if (/[\\/]/.test(name) || (await isFile(path.resolve(name)))) return undefined;
  for (const one of [name, `${name}.gguf`]) {
    const file = path.join(folder, one);
    if (one.endsWith(".gguf") && (await isFile(file))) return file;
  }
  return undefined;
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() ?? false;
}

/** @returns The file that was removed. @throws InputError for a name that no pulled model has. */
export async function removePulled(name: string): Promise<string> {
  const wanted = name.replace(/\.gguf$/, "");
  const found = (await listPulled()).find((model) => model.name === wanted);
  if (!found) {
    throw new InputError("INVALID_INPUT", `No pulled model is called ${name}: see qrhead models list`);
  }
  await rm(found.file);
  await rm(recordOf(found.file), { force: true });
  return found.file;
}
