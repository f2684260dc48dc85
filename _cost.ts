import { loadModel } from "./src/model.ts";
import { Trial } from "./src/bench/passes.ts";
const model = await loadModel({ model: "/work/main/.cache/models/bench-0.5b.gguf", gpu: false });
const size = { documentTokens: Number(process.argv[2]), queryTokens: 40, nullTokens: 28, heads: [[0, 0]] as [number, number][], threads: 1 };
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1e6; };
for (let round = 0; round < Number(process.argv[3]); round++) for (const name of ["plain", "detect"] as const) {
  const trial = await Trial.create(name, model, size);
  const before = cpu(); const t = await trial.run();
  // again is one more query: measured apart by its share of wall time
  console.log(round, name, "cpu s", (cpu() - before).toFixed(1), JSON.stringify(t, (_, v) => typeof v === "number" ? Math.round(v) : v), "rss MB", Math.round(process.memoryUsage().rss / 1e6));
  await trial.dispose();
}
await model.native.dispose();
