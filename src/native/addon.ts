import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { QRHeadError } from "../errors.ts";
import type { Addon } from "./addon-types.ts";
import { assertNotBundled, packageRoot, unpacked } from "./package-root.ts";
import { defaultRelease, installedVersion, releaseOfPackage } from "./releases.ts";
import { variantsFor } from "./variants.ts";

const require = createRequire(import.meta.url);
type Loaded = { addon: Addon; file: string };
let loaded: Loaded | undefined;

export { assertNotBundled, packageRoot, unpacked };

/**
 * Where the addon for a release of llama.cpp may be, in the order tried: the environment variable, a build of this
 * checkout, the prebuilt one.
 *
 * @param release Such as `0.4.0`. Defaults to the one that is installed.
 */
export function addonCandidates(release: string = installedRelease()): string[] {
  const own = process.env.QRHEAD_ADDON;
  if (own) return [path.resolve(own)];
  const platform = `${process.platform}-${process.arch}`;
  return [
    path.join(packageRoot, "build", "Release", "qrhead.node"),
    path.join(packageRoot, "prebuilds", platform, release, "qrhead.node"),
  ];
}

/** The llama.cpp release that is installed, else the one that qrhead installs. */
function installedRelease(): string {
  const cpu = variantsFor(false, { canOpenLibrary: () => false })[0]?.packageName;
  const version = installedVersion(cpu);
  return (version === undefined ? undefined : releaseOfPackage(version)) ?? defaultRelease();
}

/**
 * Loads the addon, once per thread: the first call decides for which release of llama.cpp.
 *
 * @param release Such as `0.4.0`. Defaults to the one that is installed.
 * @throws QRHeadError `LIBRARY_NOT_FOUND` with every candidate and what was wrong with it.
 */
export function loadAddon(release?: string): Addon {
  loaded ??= findAddon(release ?? installedRelease());
  return loaded.addon;
}

function findAddon(release: string): Loaded {
  if (!process.env.QRHEAD_ADDON) assertNotBundled();
  const failures: string[] = [];
  let other: Loaded | undefined;
  for (const file of addonCandidates(release)) {
    if (!existsSync(file)) {
      failures.push(`${file}: no such file`);
      continue;
    }
    try {
      const found = { addon: require(file) as Addon, file };
      if (found.addon.compiledVersion === release || process.env.QRHEAD_ADDON) return found;
      other ??= found;
    } catch (error) {
      failures.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  // One for another release refuses the libraries and names both releases.
  if (other) return other;
  throw new QRHeadError(
    "LIBRARY_NOT_FOUND",
    `No native addon could be loaded for ${process.platform}-${process.arch} (${failures.join("; ")}): ` +
      "in a checkout run `npm run build:native`; elsewhere reinstall qrhead, or set QRHEAD_ADDON to a build of your own",
  );
}

/** The file that the addon was loaded from. */
export function addonFile(): string | undefined {
  return loaded?.file;
}

/**
 * Whether a prebuilt addon is the one that was packed: its SHA-256 against `prebuilds/sha256.json`; none for other builds.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` where the list is damaged.
 */
export function checksumOf(file: string): { sha256: string; expected: string } | undefined {
  const prebuilds = path.join(packageRoot, "prebuilds");
  const name = path.relative(prebuilds, file).replaceAll("\\", "/");
  const list = path.join(prebuilds, "sha256.json");
  if (name.startsWith("..") || !existsSync(list)) return undefined;
  return {
    sha256: createHash("sha256").update(readFileSync(file)).digest("hex"),
    expected: checksumsIn(list)[name] ?? "no checksum",
  };
}

function checksumsIn(list: string): Record<string, string> {
  try {
    return Object(JSON.parse(readFileSync(list, "utf8")));
  } catch (cause) {
    const said = `${list} is damaged: expected JSON with the addons' checksums`;
    throw new QRHeadError("LIBRARY_NOT_FOUND", said, { cause, advice: "reinstall qrhead" });
  }
}
