import { QRHeadError } from "../errors.ts";
import { loadAddon } from "./addon.ts";
import { pinnedRelease, supportedReleases } from "./releases.ts";

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
        advice: `npm install node-llama-cpp@${supportedReleases()[loadAddon().compiledVersion] ?? pinnedRelease()}`,
        cause: error,
      },
    );
  }
}
