import { InputError } from "../../errors.ts";
import type { Method, MethodContext, OpenMethod, Response } from "../../eval/methods/method.ts";
import { parseMethods } from "../../eval/methods/spec.ts";
import { type FleetClient, JobFailed } from "../../fleet/client.ts";
import type { OneSetup, Setup } from "../../fleet/setup.ts";
import type { Handler } from "../../fleet/worker.ts";
import { IsolatedRetriever } from "../../isolate/index.ts";
import { isBuiltInName } from "../../model/built-in.ts";
import type { LoadOptions } from "../../options.ts";
import { zod } from "../../util/zod.ts";
import type { OneEngine } from "./engines.ts";
import { assertFileAllowed, assertHeadsAllowed } from "./paths.ts";

const DESCRIBE = "describe";
const EVAL_OPEN = "eval-open";
const EVAL_RANK = "eval-rank";

/** Options of loading that are the worker's own: a job does not say where it runs. */
const OF_WORKER = [
  ...["model", "gpu", "gpuLayers", "threads", "libraryDirectory", "modelsDirectory", "mmap"],
  ...["check", "checkTimeout", "checkTensors", "corpusMemory", "signal", "onProgress"],
];
/** Methods without a model run here, where the data is. */
const WITHOUT_MODEL = /^(first-stage|bm25)\b/;

type Value = Response & { ms: number; setup: Setup };

const payloadSchema = () => {
  const z = zod();
  const document = z.strictObject({ id: z.string(), text: z.string(), title: z.string().optional() });
  return z.strictObject({
    spec: z.string(),
    load: z.record(z.string(), z.unknown()),
    query: z.string().optional(),
    documents: z.array(document).optional(),
    scores: z.array(z.number()).optional(),
  });
};

/** The method with its model on the workers. */
export function remoteMethod(method: Method, client: FleetClient, setups: OneSetup): Method {
  if (method.fuses || WITHOUT_MODEL.test(method.spec)) return method;
  const open = async ({ load }: MethodContext): Promise<OpenMethod> => {
    const common = { spec: method.spec, load: sendable(load) };
    await client.ask({ kind: EVAL_OPEN, payload: common, label: method.name }).catch(rethrow);
    return {
      async rank({ topic, documents, scores }) {
        const payload = { ...common, query: topic.query, documents, scores };
        const { value, worker } = await client
          .ask<Value>({ kind: EVAL_RANK, payload, label: `${method.name} ${topic.id}` })
          .catch(rethrow);
        const { setup, ...response } = value;
        setups.assert(setup, worker);
        return response;
      },
      async [Symbol.asyncDispose]() {},
    };
  };
  return { ...method, open };
}

/** The setup of a worker: what the settings of an evaluation say of its model. */
export async function describeWorker(client: FleetClient): Promise<Setup> {
  return (await client.ask<Setup>({ kind: DESCRIBE, payload: null, label: DESCRIBE }).catch(rethrow)).value;
}

/** Jobs of evaluations on this worker. */
export function evalHandlers(
  engine: OneEngine,
  { load, roots, setup }: { load: LoadOptions; roots: readonly string[]; setup: Setup },
): Readonly<Record<string, Handler>> {
  const opened = async (payload: unknown) => {
    const { spec, load: given, ...rest } = read(payload);
    await assertAllowed(spec, given, roots);
    const [method] = parseMethods([spec]);
    const all = { ...load, ...given };
    const retriever = (options: LoadOptions) => IsolatedRetriever.load(options);
    const ranker = await engine.use(JSON.stringify([spec, given]), () => method!.open({ load: all, retriever }));
    return { ranker, ...rest };
  };
  return {
    [DESCRIBE]: async () => setup,
    [EVAL_OPEN]: async (payload) => {
      await opened(payload);
      return null;
    },
    [EVAL_RANK]: async (payload): Promise<Value> => {
      const { ranker, query = "", documents = [], scores = [] } = await opened(payload);
      const began = performance.now();
      const response = await ranker.rank({
        ...{ topic: { id: "", query, grades: new Map() }, documents, scores },
        bm25: () => Promise.reject(new Error("BM25 is computed where the data is")),
      });
      return { ...response, ms: performance.now() - began, setup };
    },
  };
}

function read(payload: unknown) {
  const parsed = payloadSchema().safeParse(payload);
  if (parsed.success) {
    const { documents, load, ...rest } = parsed.data;
    return { ...rest, load: load as LoadOptions, documents: documents as { id: string; text: string }[] | undefined };
  }
  const { path = [], message } = parsed.error.issues[0] ?? {};
  throw new InputError("INVALID_ARGUMENT", `The job's ${path.join(".") || "payload"} is wrong: ${message}`);
}

/** @throws InputError for options that are the worker's, and for files that it may not read. */
async function assertAllowed(spec: string, load: LoadOptions, roots: readonly string[]): Promise<void> {
  const own = OF_WORKER.find((name) => name in load);
  if (own !== undefined) throw new InputError("INVALID_ARGUMENT", `A job may not set ${own}: it is the worker's`);
  if (load.heads !== undefined) await assertHeadsAllowed(String(load.heads), roots);
  const [, kind, argument] = /^([a-z0-9-]+)(?::(.+))?$/s.exec(spec) ?? [];
  if (argument === undefined) return;
  if (kind === "qrhead") return assertHeadsAllowed(argument, roots);
  if (kind === "random") return;
  const [file = ""] = argument.split("|");
  if (!isBuiltInName(file)) await assertFileAllowed(file, roots);
}

function sendable(load: LoadOptions): LoadOptions {
  const entries = Object.entries(load).filter(([name, value]) => value !== undefined && !OF_WORKER.includes(name));
  return Object.fromEntries(entries);
}

/** The error of the job itself, as if it had run here. */
function rethrow(error: unknown): never {
  throw error instanceof JobFailed ? error.cause : error;
}
