import { createRequire } from "node:module";

/** The YAML library, loaded when a YAML file is first read, so that `import "qrhead"` stays fast. */
export function yaml(): typeof import("yaml") {
  return createRequire(import.meta.url)("yaml");
}
