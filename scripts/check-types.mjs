// Checks the declarations of every entry of the package: each type that a public signature names is exported from the entry
// (API Extractor's ae-forgotten-export) or from the main one, and none is of a package that users may not have.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const entries = Object.entries(manifest.exports).filter(([, entry]) => entry.types);
const main = readFileSync(path.join(root, manifest.exports["."].types), "utf8");
/** Names that the main entry exports: another entry may use its types. */
const shared = new Set([...main.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names]) => names.match(/\w+/g)));
let problems = 0;

for (const [name, { types }] of entries) {
  const file = path.join(root, types);
  if (!existsSync(file)) throw new Error(`${types} does not exist: npm run build:ts`);
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: file,
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            ...{ module: "nodenext", moduleResolution: "nodenext", target: "es2022", strict: true },
            ...{
              lib: ["es2023", "esnext.disposable"],
              types: ["node"],
              skipLibCheck: true,
              allowImportingTsExtensions: true,
            },
            noEmit: true,
          },
          files: [file],
        },
      },
      apiReport: { enabled: false, reportFileName: "unused.md" },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: "error" } },
        extractorMessageReporting: { default: { logLevel: "none" }, "ae-forgotten-export": { logLevel: "error" } },
        tsdocMessageReporting: { default: { logLevel: "none" } },
      },
    },
    configObjectFullPath: path.join(root, "api-extractor.json"),
    packageJsonFullPath: path.join(root, "package.json"),
  });
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback(message) {
      message.handled = true;
      if (message.logLevel !== "error") return;
      const [, symbol] = /^The symbol "(\w+)"/.exec(message.text) ?? [];
      if (name !== "." && shared.has(symbol)) return;
      problems++;
      console.error(`${name}: ${message.text}`);
    },
  });
}
console.log(problems === 0 ? `${entries.length} entries export every type that they name.` : `${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
