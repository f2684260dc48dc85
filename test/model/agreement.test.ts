// Rankings of the engine against a second implementation that shares no code with it: other bytes, tokens, spans, attention
// in double precision, and scoring.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DocumentInput, type Head, type LoadOptions, QRRetriever, type RankOptions } from "../../src/index.ts";
import {
  type IndependentModel,
  type IndependentRanking,
  independentRanker,
  loadIndependent,
  type Passage,
  type Settings,
  type Wrapping,
  wrappings,
} from "../helpers/independent.ts";
import { modelPath } from "../helpers/models.ts";

const RATIOS: number[] = [];
test("x", async () => {
  for (const [name, wrapping] of [["tiny-llama", wrappings.llama3], ["tiny-qwen2", wrappings.qwen25], ["tiny-llama-spm", wrappings.plain]] as const) {
  let t = performance.now();
  const lap=(s:string)=>{process.stdout.write(`${s} ${Math.round(performance.now()-t)}\n`); t=performance.now();};
  const m = await loadIndependent(name);
  lap("load");
  const rank = independentRanker(m, wrapping);
  const passages: Passage[] = [
    { text: "Light is scattered by air, blue most of all." },
    { title: "Éléphants", text: "Les éléphants marchent; ils dorment debout.\nToujours." },
    { text: "" },
    { title: "", text: "天空是蓝色的，因为空气散射阳光。" },
    { title: "السماء", text: "السماء زرقاء لأن الهواء يشتت الضوء." },
    { text: "आकाश नीला है क्योंकि हवा प्रकाश बिखेरती है।" },
    { title: "👩‍👩‍👧", text: "👩‍👩‍👧‍👦🏳️‍🌈 ends in a family 👨‍👩‍👧" },
    { text: "Небо голубое, потому что воздух рассеивает свет" },
  ];
  const heads = Array.from({length: m.weights.layers*m.weights.heads}, (_, i): Head=>[Math.floor(i/m.weights.heads), i%m.weights.heads]);
  const e = rank({passages, query: "Why is the sky blue?", nullQuery:"N/A", heads, calibration:true, mask:true, order:"given"});
  lap("ref");
  for (const cacheType of ["f32", "f16"] as const) {
  const r = await QRRetriever.load({model: modelPath(name), heads:"all", gpu:false, cacheTypeK:cacheType, cacheTypeV:cacheType});
  const a = await r.rank("Why is the sky blue?", passages, {tokenScores:true, headScores:true});
  lap("rank");
  process.stdout.write(JSON.stringify([cacheType, r.prompt, a.usage, e.usage, e.ranking, a.results.map(x=>x.index), e.margin, a.results.map(x=>[x.index, x.score, e.scores[x.index], Math.abs(x.score-e.scores[x.index]!)/Math.abs(e.scores[x.index]!)])])+"\n");
  await r.dispose();
  }
  await m.dispose();
  }
});
