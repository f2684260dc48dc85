import { readFileSync } from "node:fs";
import path from "node:path";
import { QRHeadError } from "../errors.ts";
import { packageRoot } from "./addon.ts";

/** The release of node-llama-cpp that the addon was built for. */
export function pinnedRelease(): string {
  const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
  return manifest.optionalDependencies["node-llama-cpp"];
}

/**
 * node-llama-cpp, which generates text and downloads models. It is an optional dependency: ranking needs only its platform
 * package.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` where it is not installed.
 */
export async function importNodeLlamaCpp(): Promise<typeof import("node-llama-cpp")> {
  try {
    return await import("node-llama-cpp");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new QRHeadError(
      "LIBRARY_NOT_FOUND",
      "node-llama-cpp is not installed: it generates text and downloads models",
      {
        advice: `npm install node-llama-cpp@${pinnedRelease()}`,
        cause: error,
      },
    );
  }
}
