// Proves that the package works for somebody who installs it: packs it, installs the archive in an empty folder without
// running any install script, ranks from ESM and from the command line, compiles a TypeScript file against the types, and
// lets publint and attw look for mistakes.
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const bin = (name, directory = root) => path.join(directory, "node_modules", ".bin", name);
const folder = mkdtempSync(path.join(tmpdir(), "qrhead-package-"));
const small = mkdtempSync(path.join(tmpdir(), "qrhead-small-"));

function run(command, args, cwd = folder) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function emptyProject(directory) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, "package.json"), JSON.stringify({ private: true, type: "module" }));
}

/** What an installation takes on the disk. */
function megabytes(directory) {
  const files = readdirSync(path.join(directory, "node_modules"), { recursive: true, withFileTypes: true });
  const bytes = files
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(path.join(entry.parentPath, entry.name)).size);
  return Math.round(bytes.reduce((sum, size) => sum + size, 0) / 1e6);
}

function step(name, work) {
  try {
    work();
    console.log(`ok   ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}\n${error.stdout ?? ""}${error.stderr ?? error.stack}`);
    process.exitCode = 1;
    throw error;
  }
}

const typescriptUser = `import { QRRetriever, type RankResult, QRHeadError } from "qrhead";
import { detectHeads } from "qrhead/detect";
import { evaluate } from "qrhead/eval";
import { PUBLISHED_HEAD_SETS } from "qrhead/heads";
export const others = [detectHeads, evaluate, PUBLISHED_HEAD_SETS] as const;
export async function best(query: string, documents: string[]): Promise<RankResult["results"][number] | undefined> {
  await using retriever = await QRRetriever.load({ gpu: false });
  try {
    return (await retriever.rank(query, documents, { topK: 1 })).results[0];
  } catch (error) {
    if (error instanceof QRHeadError && error.code === "CONTEXT_OVERFLOW") return undefined;
    throw error;
  }
}
`;
const isolatedUser = `import { IsolatedRetriever } from "qrhead/isolated";
const retriever = await IsolatedRetriever.load({ gpu: false });
const ask = async () => (await retriever.rank("Where is the tower?", ["Bread is baked.", "The tower is here."])).results[0].index;
const before = await ask();
process.kill(retriever.pid, "SIGKILL");
console.log(before, await ask(), "restarts", retriever.restarts);
await retriever.dispose();
`;
const serverUser = `import { spawn } from "node:child_process";
import { once } from "node:events";
const server = spawn(process.execPath, [process.argv[2], "serve", "--port", "0", "--gpu", "false"], { stdio: ["ignore", "pipe", "inherit"] });
const [line] = await once(server.stdout, "data");
const url = String(line).trim().split(" ").at(-1);
const post = async (route, body) => (await fetch(url + route, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: "Where is the tower?", ...body }) })).json();
const texts = ["Bread is baked.", "The tower is here."];
const [v1, v2, tei] = await Promise.all([post("/v1/rerank", { documents: texts }), post("/v2/rerank", { documents: texts }), post("/rerank", { texts })]);
const page = await (await fetch(url)).text();
console.log(v1.results[0].index, v2.results[0].index, tei[0].index, page.includes("<title>qrhead</title>") ? "page" : "no page");
server.kill();
`;
const assistant = `import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
const client = new Client({ name: "test", version: "1" });
const args = [process.argv[2], "mcp", "--root", "notes", "--gpu", "false"];
await client.connect(new StdioClientTransport({ command: process.execPath, args }));
const { content } = await client.callTool({ name: "rerank", arguments: { query: "When is the apple tree pruned?" } });
console.log(content[0].text);
await client.close();
`;
const fleet = `import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
const free = net.createServer().listen(0, "127.0.0.1");
await once(free, "listening");
const { port } = free.address();
free.close();
await once(free, "close");
const redis = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
for await (const text of redis.stdout) if (String(text).includes("Ready to accept")) break;
const address = "redis://127.0.0.1:" + port;
const worker = spawn(process.execPath, [process.argv[2], "worker", "--redis", address, "--gpu", "false"], { stdio: "ignore" });
const docs = ["Bread is baked.", "The tower is here."].map((text) => ({ text }));
const lines = ["a", "b", "c"].map((id) => JSON.stringify({ id, query: "Where is the tower?", docs }));
writeFileSync("queries.jsonl", lines.join("\\n"));
try {
  execFileSync(process.execPath, [process.argv[2], "submit", "rerank", "--redis", address, "queries.jsonl", "-o", "rankings.jsonl"], { timeout: 120_000 });
} finally {
  worker.kill("SIGKILL");
  redis.kill("SIGKILL");
}
const ranked = readFileSync("rankings.jsonl", "utf8").trim().split("\\n").map((line) => JSON.parse(line));
console.log(ranked.map(({ id, results }) => id + results[0].index).join(" "));
process.exit(0);
`;
const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
/** The README's TypeScript, which is what people paste. It is JavaScript too. */
const snippet = readFileSync(path.join(root, "README.md"), "utf8").match(/```ts\n([\s\S]*?)```/)[1];
/** The oldest Node that `engines` names. */
const oldestNode = manifest.engines.node.replace(">=", "");
const platformPackage = `@node-llama-cpp/linux-x64@${manifest.optionalDependencies["node-llama-cpp"]}`;
/** Megabytes that the archive may take. */
const ARCHIVE = 20;
/** The package of the base model, and whether `npm run build:base` has built it here. */
const base = path.join(root, "packages", "base");
const { gguf } = JSON.parse(readFileSync(path.join(base, "package.json"), "utf8"));
const isBaseBuilt = existsSync(path.join(base, gguf));
/** Megabytes that the small installation may take; the README names its size. */
const SMALL_INSTALL = 80;
const tsconfig = {
  compilerOptions: {
    module: "nodenext",
    target: "es2022",
    lib: ["es2022", "esnext.disposable"],
    types: ["node"],
    strict: true,
    noEmit: true,
  },
  files: ["user.ts"],
};

try {
  let archive = "";
  step("npm pack", () => {
    run("npm", ["pack", "--pack-destination", folder], root);
    archive = path.join(
      folder,
      readdirSync(folder).find((file) => file.endsWith(".tgz")),
    );
  });
  step(`the archive takes at most ${ARCHIVE} MB`, () => {
    const size = statSync(archive).size / 1e6;
    console.log(`     ${size.toFixed(1)} MB`);
    if (size > ARCHIVE) throw new Error(`it takes ${size} MB`);
  });
  step("every type of a public signature is exported", () =>
    run(process.execPath, [path.join(root, "scripts", "check-types.mjs")], root),
  );
  step("publint --strict", () => run(bin("publint"), ["run", archive, "--strict"], root));
  step("attw (ESM only)", () => run(bin("attw"), [archive, "--profile", "esm-only"], root));
  step("npm install in an empty folder, without scripts", () => {
    emptyProject(folder);
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", archive, "@types/node@20"]);
    if (existsSync(path.join(folder, "node_modules/qrhead/build")))
      throw new Error("the package carries a build folder");
    console.log(`     ${megabytes(folder)} MB`);
  });
  step(`the README's snippet, on Node ${process.version} and ${oldestNode}`, () => {
    writeFileSync(path.join(folder, "user.mjs"), snippet);
    const other = path.join(folder, "node");
    emptyProject(other);
    const { platform, arch } = process;
    const node = `node-${platform === "win32" ? "win" : platform}-${arch}`;
    run("npm", ["install", "--no-audit", "--no-fund", `${node}@${oldestNode}`], other);
    for (const executable of [process.execPath, path.join(other, "node_modules", node, "bin", "node")]) {
      const printed = run(executable, ["user.mjs"]);
      if (!printed.includes('id: "eiffel"') && !printed.includes("id: 'eiffel'")) throw new Error(`printed ${printed}`);
    }
    rmSync(other, { recursive: true });
  });
  step("npx qrhead rerank --json", () => {
    writeFileSync(path.join(folder, "docs.txt"), "Bananas are yellow.\nThe Eiffel Tower stands in Paris.\n");
    const args = ["rerank", "Where is the Eiffel Tower?", "docs.txt", "--gpu", "false", "--json"];
    const { results } = JSON.parse(run(bin("qrhead", folder), args));
    if (results[0].id !== "1") throw new Error(`wrong order: ${JSON.stringify(results)}`);
  });
  step(
    `the base model ranks where its package is installed${isBaseBuilt ? "" : " (skipped: npm run build:base)"}`,
    () => {
      if (!isBaseBuilt) return;
      const packed = path.join(folder, "base");
      mkdirSync(packed);
      run("npm", ["pack", "--pack-destination", packed], base);
      run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", path.join(packed, readdirSync(packed)[0])]);
      const args = [
        "rerank",
        "--model",
        "base",
        "--query",
        "Where is the Eiffel Tower?",
        "--docs",
        "docs.txt",
        "--gpu",
        "false",
        "--json",
      ];
      const { model, results } = JSON.parse(run(bin("qrhead", folder), args));
      if (model.name !== "qrhead base v3" || results[0].id !== "1") throw new Error(JSON.stringify({ model, results }));
    },
  );
  step("the Electron example ranks without Electron", () => {
    const example = path.join(root, "examples", "electron");
    for (const name of ["rank.js", "folder-ranking.js", "notes"])
      cpSync(path.join(example, name), path.join(folder, name), { recursive: true });
    const printed = run(process.execPath, ["rank.js"]);
    if (!printed.startsWith("4 files\ngarden.md\n")) throw new Error(`printed ${printed}`);
  });
  step("qrhead submit says what to install, and runs with it", () => {
    const submit = () => {
      const args = ["submit", "failed", "--redis", "redis://127.0.0.1:1"];
      return spawnSync(bin("qrhead", folder), args, { cwd: folder, encoding: "utf8" }).stderr;
    };
    const before = submit();
    if (!before.includes("npm install bullmq ioredis")) throw new Error(before);
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "bullmq", "ioredis"]);
    const after = submit();
    if (!after.includes("ECONNREFUSED")) throw new Error(after);
  });
  step(`qrhead worker does what qrhead submit asks${hasRedis ? "" : " (skipped: no redis-server)"}`, () => {
    if (!hasRedis) return;
    writeFileSync(path.join(folder, "fleet.mjs"), fleet);
    const printed = run(process.execPath, ["fleet.mjs", path.join(folder, "node_modules/qrhead/dist/cli/main.js")]);
    if (printed !== "a1 b1 c1\n") throw new Error(`printed ${printed}`);
  });
  step("qrhead/isolated ranks, also after the end of its process", () => {
    writeFileSync(path.join(folder, "isolated.mjs"), isolatedUser);
    const printed = run(process.execPath, ["isolated.mjs"]);
    if (printed !== "1 1 restarts 1\n") throw new Error(`printed ${printed}`);
  });
  step("qrhead serve answers", () => {
    writeFileSync(path.join(folder, "server.mjs"), serverUser);
    const printed = run(process.execPath, ["server.mjs", path.join(folder, "node_modules/qrhead/dist/cli/main.js")]);
    if (printed !== "1 1 1 page\n") throw new Error(`printed ${printed}`);
  });
  step("qrhead mcp says what to install, and ranks files with it", () => {
    const { stderr } = spawnSync(bin("qrhead", folder), ["mcp", "--root", "notes"], { cwd: folder, encoding: "utf8" });
    if (!stderr.includes("npm install @modelcontextprotocol/server")) throw new Error(stderr);
    const packages = ["@modelcontextprotocol/server", "@modelcontextprotocol/client"];
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...packages]);
    writeFileSync(path.join(folder, "assistant.mjs"), assistant);
    const printed = run(process.execPath, ["assistant.mjs", path.join(folder, "node_modules/qrhead/dist/cli/main.js")]);
    if (!/^\S+ garden\.md\n/.test(printed)) throw new Error(`printed ${printed}`);
  });
  step("TypeScript types resolve", () => {
    writeFileSync(path.join(folder, "user.ts"), typescriptUser);
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
    run(bin("tsc"), ["-p", "tsconfig.json"]);
    // TypeScript's own defaults: the library of browsers, and no types of Node.
    const { lib: _, ...defaults } = tsconfig.compilerOptions;
    const plain = { ...tsconfig, compilerOptions: { ...defaults, target: "esnext", types: [] } };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(plain));
    run(bin("tsc"), ["-p", "tsconfig.json"]);
  });
  rmSync(path.join(folder, "node_modules"), { recursive: true });
  if (process.platform === "linux" && process.arch === "x64") {
    const install = (...packages) =>
      run("npm", ["install", "--omit=optional", "--no-audit", "--no-fund", ...packages], small);
    step("npm install --omit=optional compiles nothing, and says what is missing", () => {
      emptyProject(small);
      install(archive);
      if (existsSync(path.join(small, "node_modules/node-llama-cpp"))) throw new Error("node-llama-cpp is installed");
      const { status, stderr } = spawnSync(bin("qrhead", small), ["demo"], {
        cwd: small,
        encoding: "utf8",
      });
      if (status !== 1 || !stderr.includes(platformPackage)) throw new Error(`exit ${status}: ${stderr}`);
    });
    step(`the small installation ranks and takes at most ${SMALL_INSTALL} MB`, () => {
      install(platformPackage);
      run(bin("qrhead", small), ["demo"], small);
      const generate = ["ask", "-m", "hf:a/b", "What is this?", "package.json"];
      const { stderr } = spawnSync(bin("qrhead", small), generate, { cwd: small, encoding: "utf8" });
      if (!stderr.includes("npm install node-llama-cpp@")) throw new Error(stderr);
      const size = megabytes(small);
      console.log(`     ${size} MB`);
      if (size > SMALL_INSTALL) throw new Error(`it takes ${size} MB`);
    });
  }
  console.log("The package installs and ranks.");
} finally {
  for (const directory of [folder, small]) rmSync(directory, { recursive: true, force: true });
}
