import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { QRHeadError } from "../errors.ts";
import type { Addon } from "./addon-types.ts";
import { packageRoot, unpacked } from "./package-root.ts";

const require = createRequire(import.meta.url);
let loaded: Addon | undefined;

export { packageRoot, unpacked };

/** Where the addon may be, in the order tried: the environment variable, a build of this checkout, the prebuilt one. */
export function addonCandidates(): string[] {
  const own = process.env.QRHEAD_ADDON;
  if (own) return [path.resolve(own)];
  return [
    path.join(packageRoot, "build", "Release", "qrhead.node"),
    path.join(packageRoot, "prebuilds", `${process.platform}-${process.arch}`, "qrhead.node"),
  ];
}

/**
 * Loads the addon, once per thread.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` with every candidate and what was wrong with it.
 */
export function loadAddon(): Addon {
  if (loaded) return loaded;
  const failures: string[] = [];
  for (const candidate of addonCandidates()) {
    if (!existsSync(candidate)) {
      failures.push(`${candidate}: no such file`);
      continue;
    }
    try {
      loaded = require(candidate) as Addon;
      return loaded;
    } catch (error) {
      failures.push(`${candidate}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new QRHeadError(
    "LIBRARY_NOT_FOUND",
    `No native addon could be loaded for ${process.platform}-${process.arch} (${failures.join("; ")}): ` +
      "in a checkout run `npm run build:native`; elsewhere reinstall qrhead, or set QRHEAD_ADDON to a build of your own",
  );
}
