// Another release of node-llama-cpp's libraries, made from the one that is here: other versions in the names that have one,
// another version of ggml inside, and a function under another name, which this release's libggml-base therefore lacks.
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { readLibrary } from "../../src/native/elf.ts";

const RENAMED = "ggml_backend_sched_new";
/** As long, and the same hash (of DT_GNU_HASH: 33 × h + character), so that the library's own table finds it. */
const NEW_NAME = "ggml_backend_sched_nfV";

/** Writes the libraries and node-llama-cpp's addon of `source` to `directory`, as another release would have them. */
export function makeOtherRelease(source: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(source)) {
    const file = path.join(directory, name.replace("v0.4.0", "v0.9.0"));
    copyFileSync(path.join(source, name), file);
    if (!/\.(so|node)$/.test(name)) continue;
    replaceAll(file, `${RENAMED}\0`, `${NEW_NAME}\0`);
    replaceAll(file, "\x000.23.0\0", "\x000.99.0\0");
    const open = openSync(file, "r+");
    for (const { name: needed, at } of readLibrary(open)?.names ?? []) {
      if (needed.includes("v0.4.0")) writeSync(open, needed.replace("v0.4.0", "v0.9.0"), at, "latin1");
    }
    closeSync(open);
  }
}

function replaceAll(file: string, from: string, to: string): void {
  const bytes = readFileSync(file);
  for (let at = bytes.indexOf(from, 0, "latin1"); at !== -1; at = bytes.indexOf(from, at + 1, "latin1")) {
    bytes.write(to, at, "latin1");
  }
  writeFileSync(file, bytes);
}
