// `npm run bench`: the table of the README, on a random model of Qwen2.5-0.5B's shape. Arguments go to `qrhead bench`.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const run = (...args: string[]) => spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;

// 16 heads over eight layers, the deepest in layer 14 of 24.
const heads = Array.from({ length: 16 }, (_, i) => `${14 - (i % 8)}-${(i * 5) % 14}`).join(",");
const model = path.join(root, ".cache", "models", "bench-0.5b.gguf");

process.exitCode =
  run("--import", "tsx", "scripts/make-models.ts", "--bench") ||
  run(
    ...["--import", "tsx", "src/cli/main.ts", "bench", "--model", model, "--heads", heads],
    ...["--gpu", "false", "--document-tokens", "4096", "--query-tokens", "40"],
    ...process.argv.slice(2),
  );
