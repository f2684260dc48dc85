// How much of models is loaded together.
import { statSync } from "node:fs";
import { expect, it } from "vitest";
import { BUILT_IN_MODEL } from "../../src/index.ts";
import { Metrics } from "../../src/serve/metrics.ts";
import { Models } from "../../src/serve/models.ts";
import { modelPath } from "../helpers/models.ts";

const load = { heads: "all", gpu: false, threads: 1 } as const;
const tiny = modelPath("tiny-llama");

it("knows how large the built-in model is before it loads it", async () => {
  // Each alone, and not both.
  const modelMemory = Math.max(statSync(BUILT_IN_MODEL).size, statSync(tiny).size);
  const models = new Models({ models: [tiny, "mini"], inProcess: true, load, modelMemory }, new Metrics());
  const [busy, mini] = models.list as [(typeof models)["first"], (typeof models)["first"]];
  await busy.engine();
  let end = () => {};
  const working = busy.queue.run(
    () =>
      new Promise<void>((resolve) => {
        end = resolve;
      }),
    new AbortController().signal,
  );
  await expect(mini.engine()).rejects.toMatchObject({ status: 503, message: expect.stringContaining("no room") });
  expect([busy.isLoaded, mini.isLoaded]).toEqual([true, false]);
  end();
  await working;
  await mini.engine();
  expect([busy.isLoaded, mini.isLoaded]).toEqual([false, true]);
  await models.dispose();
});

it("warns of models that take more than they may", async () => {
  const warnings: string[] = [];
  const onWarning = (text: string) => warnings.push(text);
  const options = { models: [tiny], inProcess: true, load, onWarning };
  for (const modelMemory of [1, 2 ** 30]) {
    const models = new Models({ ...options, modelMemory }, new Metrics());
    await models.first.engine();
    await models.dispose();
  }
  expect(warnings).toEqual([expect.stringMatching(/^Loaded tiny-llama: [\d.]+ MiB of model files, with 0\.0 MiB/)]);
});
