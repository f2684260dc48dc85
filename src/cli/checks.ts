import { existsSync } from "node:fs";
import { QRHeadError } from "../errors.ts";
import { builtInNameOf } from "../model/built-in.ts";
import type { SelfTest } from "../model/self-test.ts";
import { addonCandidates, addonFile, checksumOf } from "../native/addon.ts";
import type { Addon } from "../native/addon-types.ts";
import { adviceFor } from "../native/failed-device.ts";
import { hasGpu, type Library, packageLibraries } from "../native/library.ts";
import { howToInstall } from "../native/releases.ts";
import { type Gpu, type Variant, variantsFor } from "../native/variants.ts";
import { readChatTemplate } from "../prompt/chat-template.ts";
import type { QRRetriever } from "../retriever.ts";
import type { ModelIdentity } from "../types.ts";
import { counted } from "../util/counted.ts";
import { withFlags } from "./flag-words.ts";

/** One line of `qrhead doctor`. */
export type Check = { name: string; status: "ok" | "warn" | "fail"; detail: string; advice?: string };

/** The first release line that qrhead runs on: package.json's engines. */
const MINIMUM_NODE = [20, 17] as const;

export function checkNode(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const recent = major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
  if (recent) return { name: "node", status: "ok", detail: version };
  return { name: "node", status: "fail", detail: version, advice: `install Node ${MINIMUM_NODE.join(".")} or later` };
}

export function checkPlatform(addon: Pick<Addon, "canOpenLibrary">): Check {
  const detail = `${process.platform}-${process.arch}`;
  if (publishedVariants(addon).length > 0) return { name: "platform", status: "ok", detail };
  const advice = "set QRHEAD_LLAMA_DIR to a build of llama.cpp of your own";
  return { name: "platform", status: "warn", detail: `${detail} has no published build`, advice };
}

/** @throws QRHeadError where the addon that would be loaded is not as it was packed. Loading it could end the process. */
export function assertAsPacked(): void {
  const file = addonCandidates().find((one) => existsSync(one));
  const problem = file && damageOf(file);
  if (problem) throw new QRHeadError("LIBRARY_NOT_FOUND", `${file}: ${problem}`, { advice: "reinstall qrhead" });
}

function damageOf(file: string): string | undefined {
  const checksum = checksumOf(file);
  if (!checksum || checksum.sha256 === checksum.expected) return undefined;
  return `SHA-256 ${checksum.sha256}, but the package was made with ${checksum.expected}`;
}

export function checkAddon(addon: Addon): Check {
  const file = addonFile() ?? "unknown path";
  const detail = `${file}, compiled for llama.cpp ${addon.compiledVersion}`;
  const problem = damageOf(file);
  if (problem) return { name: "addon", status: "fail", detail: `${detail}, ${problem}`, advice: "reinstall qrhead" };
  return { name: "addon", status: "ok", detail: `${detail}${checksumOf(file) ? ", checksum as packed" : ""}` };
}

export function checkLibrary({ info, gpu, vulkan }: Library): Check {
  const named = gpu === false ? "CPU build" : gpu === "custom" ? "own build" : `${gpu} build`;
  const build = vulkan ? `${named} with Vulkan loaded beside it` : named;
  const variant = hasGpu(info) || gpu === false ? build : `${build} without a GPU that works, so on the CPU`;
  return { name: "library", status: "ok", detail: `llama.cpp ${info.version}, ${variant}, ${info.directory}` };
}

/** The builds of this platform other than the one in use, if one is: whether package and driver are there. */
export async function checkVariants(addon: Addon, inUse: Library["gpu"] | undefined, asked: Gpu): Promise<Check[]> {
  const all = publishedVariants(addon);
  const withDriver = new Set(variantsFor("auto", addon).map(({ gpu }) => gpu));
  const used = all.findIndex(({ gpu }) => gpu === inUse);
  const checks: Check[] = [];
  for (const [position, variant] of all.entries()) {
    if (position === used) continue;
    const installed = await packageLibraries(variant.packageName).then(
      () => true,
      () => false,
    );
    const skipped = asked === "auto" && position < used;
    checks.push(checkVariant(variant, { installed, driver: withDriver.has(variant.gpu), skipped }));
  }
  return checks;
}

function checkVariant(variant: Variant, found: { installed: boolean; driver: boolean; skipped: boolean }): Check {
  const name = `${variant.gpu === false ? "cpu" : variant.gpu} build`;
  const { installed, driver, skipped } = found;
  const detail = `${variant.packageName} ${installed ? "installed" : "not installed"}, ${driver ? "usable here" : "no driver for it"}`;
  if (driver && !installed) {
    const advice = `${howToInstall(variant.packageName)}, or reinstall qrhead without --omit=optional`;
    return { name, status: "warn", detail, advice };
  }
  if (driver && skipped) {
    return {
      name,
      status: "warn",
      detail: `${detail}, but it did not load`,
      advice: `see why: doctor --gpu ${variant.gpu}`,
    };
  }
  return { name, status: "ok", detail };
}

/** Every build that is published for this platform, best first, whether or not this machine has a driver. */
function publishedVariants(addon: Pick<Addon, "canOpenLibrary">): Variant[] {
  const named = (["cuda", "vulkan", "metal", false] as const).flatMap((gpu) => variantsFor(gpu, addon));
  return named.filter(({ gpu }, index) => named.findIndex((other) => other.gpu === gpu) === index);
}

/** A device that cannot compute gives a warning, because another one does the work. If `--gpu` names it, loading fails. */
export function checkDevices({ info, gpu, hint, vulkan }: Library): Check[] {
  return info.devices.map((device): Check => {
    const { description, type, memoryTotal, memoryFree, failure } = device;
    const name = `device ${device.name}`;
    if (failure !== undefined) {
      const detail = `${type}, ${description}, cannot compute: ${failure}`;
      return { name, status: "warn", detail, advice: withFlags(adviceFor({ ...device, failure }, gpu, hint, vulkan)) };
    }
    const memory = memoryTotal > 0 ? `, ${gibibytes(memoryTotal)} GiB, ${gibibytes(memoryFree)} GiB free` : "";
    return { name, status: "ok", detail: `${type}, ${description}${memory}` };
  });
}

export function checkModel({ model, prompt }: QRRetriever): Check {
  const slimmed = model.originalLayers > model.layers ? ` of ${model.originalLayers}` : "";
  const shape = `${model.architecture}, ${model.layers}${slimmed} layers of ${counted(model.heads, "head")}${windowed(model)}`;
  const builtIn = builtInNameOf(model.path);
  const named = builtIn ? `, built in as ${builtIn}` : "";
  return { name: "model", status: "ok", detail: `${model.name} (${shape})${named}, prompt ${prompt}, ${model.path}` };
}

function windowed({ slidingWindow }: ModelIdentity): string {
  return slidingWindow
    ? `, ${slidingWindow.layers?.length ?? "some"} layers with a sliding window of ${slidingWindow.tokens} tokens`
    : "";
}

/** What `ask` would do with this model; ranking needs no template. */
export function checkChatTemplate(model: QRRetriever["model"]): Check[] {
  const name = "chat template";
  if (builtInNameOf(model.path)) return [];
  if (model.originalLayers > model.layers) {
    const advice = "`ask` needs the whole model for the answer";
    return [{ name, status: "ok", detail: "a slim file, which ranks and cannot write", advice }];
  }
  if (!model.chatTemplate) {
    const detail = "none, so this is probably a base model: it ranks, and continues text rather than answers";
    const advice =
      "`ask` gives it a plain question and answer; an instruct or chat version of the model answers better";
    return [{ name, status: "warn", detail, advice }];
  }
  try {
    readChatTemplate(model.chatTemplate, { bosText: "", eosText: "" });
    return [{ name, status: "ok", detail: `${model.chatTemplate.length} characters` }];
  } catch (error) {
    return [{ name, status: "warn", detail: error instanceof Error ? error.message : String(error) }];
  }
}

/** `problem` is why no published head set can be used, if none can. */
export function checkHeads({ heads, headSet }: QRRetriever, problem: string | undefined): Check {
  if (problem === undefined) {
    return {
      name: "heads",
      status: "ok",
      detail: `${headSet}, ${counted(heads.length, "head")}, published for this model`,
    };
  }
  return { name: "heads", status: "warn", detail: problem, advice: "the self-test uses all heads instead" };
}

/** With heads that were not chosen for the model, a wrong order does not mean a broken machine. */
export function checkSelfTest({ verdict, result }: SelfTest, chosen: boolean): Check {
  const name = "self-test";
  const scores = result.results.map(({ id, score }) => `${id}: ${score.toPrecision(3)}`).join(", ");
  if (verdict === "equal") {
    const advice = "this model or build computes no attention that ranks: try --gpu false, or another GGUF";
    return { name, status: "fail", detail: `every document has the same score (${scores})`, advice };
  }
  if (verdict === "ok") return { name, status: "ok", detail: `the document that answers is first (${scores})` };
  const advice = chosen
    ? "these heads should rank it first: try --gpu false, or another GGUF of the model"
    : "find the model's heads with `qrhead detect`";
  return {
    name,
    status: chosen ? "fail" : "warn",
    detail: `the document that answers is not first (${scores})`,
    advice,
  };
}

export function checkTimings({ result }: SelfTest): Check {
  const { loadMs, prefillMs, nullMs, queryMs } = result.timings;
  const tokens = result.usage.promptTokens - result.usage.queryTokens;
  const speed = prefillMs > 0 ? `, ${Math.round((tokens / prefillMs) * 1000)} tokens/s` : "";
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const detail = `load ${ms(loadMs)}, documents ${ms(prefillMs)} (${counted(tokens, "token")}${speed}), null query ${ms(nullMs)}, query ${ms(queryMs)}`;
  return { name: "timings", status: "ok", detail };
}

/** Milliseconds of the forward passes. */
export function durationOf({ result }: SelfTest): number {
  const { prefillMs, nullMs, queryMs } = result.timings;
  return prefillMs + nullMs + queryMs;
}

/** More threads are slower where other work holds the cores: llama.cpp's wait for each other. */
export function checkThreads(threads: number, many: number, one: number): Check {
  const name = "threads";
  const detail = `self-test with ${counted(threads, "thread")} ${many.toFixed(0)} ms, with one ${one.toFixed(0)} ms`;
  if (many <= one) return { name, status: "ok", detail: `${detail}: ${threads} are faster` };
  const advice = "the cores are busy or limited: use --threads 1, or fewer than now";
  return { name, status: "warn", detail: `${detail}: one is faster`, advice };
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
