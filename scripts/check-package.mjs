// Proves that the package works for somebody who installs it: packs it, installs the archive in an empty folder without
// running any install script, ranks from ESM and from the command line, compiles a TypeScript file against the types, and
// lets publint and attw look for mistakes.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => path.join(root, "node_modules", ".bin", name);
const folder = mkdtempSync(path.join(tmpdir(), "qrhead-package-"));

function run(command, args, cwd = folder) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
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
const javascriptUser = `import { QRRetriever } from "qrhead";
const retriever = await QRRetriever.load({ gpu: false });
const { results } = await retriever.rank("Where is the Eiffel Tower?", ["Bananas are yellow.", "The Eiffel Tower stands in Paris."]);
await retriever.dispose();
if (results[0].index !== 1) throw new Error("wrong order: " + JSON.stringify(results));
`;
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
  step("publint --strict", () => run(bin("publint"), ["run", archive, "--strict"], root));
  step("attw (ESM only)", () => run(bin("attw"), [archive, "--profile", "esm-only"], root));
  step("npm install in an empty folder, without scripts", () => {
    writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", archive, "@types/node@20"]);
    if (existsSync(path.join(folder, "node_modules/qrhead/build")))
      throw new Error("the package carries a build folder");
  });
  step("import and rank", () => {
    writeFileSync(path.join(folder, "user.mjs"), javascriptUser);
    run(process.execPath, ["user.mjs"]);
  });
  step("npx qrhead rerank --json", () => {
    writeFileSync(path.join(folder, "docs.txt"), "Bananas are yellow.\nThe Eiffel Tower stands in Paris.\n");
    const args = ["rerank", "--query", "Where is the Eiffel Tower?", "--docs", "docs.txt", "--gpu", "false", "--json"];
    const { results } = JSON.parse(run(path.join(folder, "node_modules", ".bin", "qrhead"), args));
    if (results[0].id !== "1") throw new Error(`wrong order: ${JSON.stringify(results)}`);
  });
  step("TypeScript types resolve", () => {
    writeFileSync(path.join(folder, "user.ts"), typescriptUser);
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
    run(bin("tsc"), ["-p", "tsconfig.json"]);
  });
  console.log("The package installs and ranks.");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
