// Looks into a built addon as a reader of its format sees it, and fails where it would not load on its platform.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { EXPORTED, NODE_API } from "./link-inputs.mjs";
import { pythonTool, root } from "./python-tools.mjs";
import { OLDEST } from "./targets.mjs";

/** What scripts/platforms/read_library.py prints: format, machine, exported, imports, libraries and what its format has. */
export function readLibrary(file) {
  const script = path.join(root, "scripts", "platforms", "read_library.py");
  const env = { ...process.env, PYTHONPATH: pythonTool("readers"), PYTHONDONTWRITEBYTECODE: "1" };
  return JSON.parse(execFileSync("python3", [script, file], { encoding: "utf8", env, maxBuffer: 1 << 26 }));
}

/**
 * @returns What `readLibrary` does.
 * @throws Error with everything that is wrong.
 */
export function inspect(target, file) {
  const found = readLibrary(file);
  const problems = checks[target.platform](found, target);
  const ofNode = found.imports.filter((name) => /^(napi|node_api)_/.test(name));
  for (const name of ofNode) if (!NODE_API.includes(name)) problems.push(`${name} is beyond Node-API 8`);
  for (const name of EXPORTED) if (!found.exported.includes(name)) problems.push(`${name} is not exported`);
  const extra = found.exported.filter((name) => !EXPORTED.includes(name) && !isShared(name, target));
  if (extra.length > 0) problems.push(`${extra.length} more symbols are exported, such as ${extra[0]}`);
  if (found.debug) problems.push("it has debug information");
  if (problems.length > 0) throw new Error(`${file}: ${problems.join("; ")}`);
  return found;
}

/**
 * What every C++ library of macOS shows. Its operators new and delete are weak: the loader makes them one with the system's,
 * so that memory is freed by what allocated it. The other two are the linker's own names.
 */
function isShared(name, { platform }) {
  return platform === "darwin" && /^(_Zn[aw]m|_Zd[al]Pv)|^(_mh_dylib_header|__dso_handle)$/.test(name);
}

const newer = (version, limit) => version.localeCompare(limit, "en", { numeric: true }) > 0;

/** The place that stands for whatever the process has in a Mach-O file. */
const OF_THE_PROGRAM = -2;

const systemLibraries = /^(libstdc\+\+\.so\.6|libgcc_s\.so\.1|lib(c|m|pthread|dl)\.so\.\d|ld-linux-[\w-]+\.so\.\d)$/;
const windowsLibraries = /^(kernel32|ntdll|msvcrt|ucrtbase|api-ms-win-crt-[\w-]+)\.dll$/i;

const checks = {
  linux({ libraries, versions, imports, runpath }) {
    const problems = libraries.filter((name) => !systemLibraries.test(name)).map((name) => `it needs ${name}`);
    const glibc = versions.filter((name) => name.startsWith("GLIBC_")).map((name) => name.slice(6));
    problems.push(...glibc.filter((one) => newer(one, OLDEST.glibc)).map((one) => `it needs GLIBC_${one}`));
    // Else an exception of libllama's could not be caught with its type.
    for (const name of ["__cxa_throw", "__cxa_begin_catch", "__gxx_personality_v0", "_Unwind_Resume"]) {
      if (!imports.includes(name)) problems.push(`${name} is not the system's`);
    }
    if (runpath) problems.push(`it has the search path ${runpath}`);
    return problems;
  },
  // The time stamp in the header is a digest of the contents, as lld writes it; `--verify` compares every byte.
  win32({ libraries }) {
    return libraries.filter((name) => !windowsLibraries.test(name)).map((name) => `it imports ${name}`);
  },
  darwin({ libraries, from, minimum, rpaths, signature }, { arch }) {
    const problems = libraries
      .filter((name) => name !== "/usr/lib/libSystem.B.dylib")
      .map((name) => `it needs ${name}`);
    if (minimum !== OLDEST.macos) problems.push(`its oldest macOS is ${minimum}`);
    if (rpaths.length > 0) problems.push(`it has the search path ${rpaths[0]}`);
    // Only Macs with Apple's processors refuse code that nobody signed, and neither Apple's linker nor zig's signs the rest.
    const signed = arch === "arm64" ? "ad hoc, valid" : "none";
    if (signature !== signed) problems.push(`its signature is ${signature}`);
    // Node-API's functions are the program's; everything else is libSystem's, which is the only library.
    for (const [name, library] of Object.entries(from)) {
      if (library !== (NODE_API.includes(name) ? OF_THE_PROGRAM : 1)) problems.push(`${name} is taken from ${library}`);
    }
    return problems;
  },
};
