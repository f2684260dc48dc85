import { createRequire } from "node:module";

type Zod = typeof import("zod").z;
let loaded: Zod | undefined;

/** zod, loaded when something is first validated: it takes as long to load as all of qrhead. */
export function zod(): Zod {
  loaded ??= (createRequire(import.meta.url)("zod") as { z: Zod }).z;
  return loaded;
}
