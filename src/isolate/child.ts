// The process that holds the model for an `IsolatedRetriever`: it does what the parent asks and answers.
import type { RankBatch } from "../ranking/batch.ts";
import type { Corpus } from "../ranking/corpus.ts";
import type { Ranking, RankResult } from "../ranking/results.ts";
import { QRRetriever } from "../retriever.ts";
import { openParentPort } from "./channel.ts";
import {
  type CorpusInfo,
  type LoadedInfo,
  type Method,
  type Request,
  TOLD_ONLY,
  type ToChild,
  type ToParent,
} from "./protocol.ts";
import { fromWire, toWire } from "./wire-error.ts";

const port = openParentPort();
const post = (message: ToParent) => port.post(message);
const running = new Map<number, AbortController>();
const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
/** Retrievers on the model, by the numbers of the parent; the one that was loaded is 0. */
const views = new Map<number, QRRetriever>();
const corpora = new Map<number, { corpus: Corpus; view: number }>();
let replies = 0;
/** Keeps the model loaded when other retrievers are disposed of. */
let keeper: QRRetriever | undefined;

port.onMessage((raw) => {
  const message = raw as ToChild;
  if (message.type === "call") return void answer(message);
  if (message.type === "abort") return running.get(message.id)?.abort();
  const waiter = waiting.get(message.reply);
  waiting.delete(message.reply);
  if (message.error) waiter?.reject(fromWire(message.error));
  else waiter?.resolve(message.value);
});

async function answer({ id, ...request }: Extract<ToChild, { type: "call" }>): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  post({ type: "began", id });
  try {
    const functions = request.functions.map((name) => [name, proxy(id, name)]);
    const options = { ...request.options, ...Object.fromEntries(functions), signal: controller.signal };
    const value = await perform(request, options);
    post({ type: "done", id, value });
    // The last message must be out before the end.
    if (request.method === "dispose") setTimeout(() => process.exit(0), 50);
  } catch (error) {
    post({ type: "failed", id, error: toWire(error) });
  } finally {
    running.delete(id);
  }
}

/** A function of the parent's. */
function proxy(id: number, name: string): (...args: unknown[]) => unknown {
  return (...args) => {
    if (TOLD_ONLY.has(name)) return post({ type: "invoke", id, name, args });
    replies += 1;
    const reply = replies;
    return new Promise((resolve, reject) => {
      waiting.set(reply, { resolve, reject });
      post({ type: "invoke", id, name, args, reply });
    });
  };
}

// biome-ignore lint/suspicious/noExplicitAny: arguments and options are checked by what is called, as if called directly.
type Given = any;

async function perform({ method, view = 0, corpus: number, args }: Request, options: Given): Promise<unknown> {
  const given = args as Given[];
  const loaded = () => viewOf(view);
  const table: Record<Method, () => Promise<unknown>> = {
    load: () => load(options),
    withHeads: async () => void views.set(view, keeper!.withHeads(given[0])),
    release: () => release(view),
    rank: async () => bare(await loaded().rank(given[0], given[1], options)),
    rankMany: () => tellEach(options, (rest) => loaded().rankMany(given[0], given[1], rest)),
    prune: () => loaded().prune(given[0], given[1], options),
    inspect: () => loaded().inspect(given[0], given[1], options),
    chunk: () => loaded().chunk(given[0], options),
    tokenize: () => loaded().tokenize(given[0], options),
    generate: () => write(view, given[0], options),
    countTokens: () => loaded().countTokens(given[0], options),
    "corpus.create": async () => keep(number!, view, await loaded().corpus(given[0], options), false),
    "corpus.load": async () => keep(number!, view, await loaded().loadCorpus(given[0], options), true),
    "corpus.rank": () => told(number!, async (corpus) => bare(await corpus.rank(given[0], options))),
    "corpus.rankMany": () => told(number!, (corpus) => tellEach(options, (rest) => corpus.rankMany(given[0], rest))),
    "corpus.add": () => told(number!, (corpus) => corpus.add(given[0], options)),
    "corpus.remove": () => told(number!, (corpus) => corpus.remove(given[0])),
    "corpus.save": () => told(number!, (corpus) => corpus.save(given[0], options)),
    "corpus.dispose": async () => {
      const found = corpora.get(number!);
      corpora.delete(number!);
      await found?.corpus.dispose();
    },
    dispose: async () => {
      for (const one of [...views.values(), keeper]) await one?.dispose();
    },
  };
  return table[method]();
}

async function load(options: Given): Promise<LoadedInfo> {
  const retriever = await QRRetriever.load(options);
  const { model, heads, headSet, fuse, layout, prompt, loadMs } = retriever;
  views.set(0, retriever);
  keeper = retriever.withHeads(heads);
  return { model, heads, headSet, fuse, layout, prompt, loadMs };
}

function viewOf(view: number): QRRetriever {
  const retriever = views.get(view);
  if (!retriever) throw new Error(`asked of retriever ${view}, which it does not have`);
  return retriever;
}

/** Frees what a retriever holds, its corpora included. */
async function release(view: number): Promise<void> {
  const retriever = views.get(view);
  views.delete(view);
  for (const [number, { view: owner }] of corpora) if (owner === view) corpora.delete(number);
  await retriever?.dispose();
}

/** The parent has the documents. */
function bare({ results, ...result }: RankResult): Ranking {
  return { ...result, results: results.map(({ document: _, ...rest }) => rest) };
}

/** Tells each result of a batch, and gives what is known of the whole. */
async function tellEach({ onResult, ...options }: Given, begin: (options: Given) => RankBatch): Promise<unknown> {
  const batch = begin(options);
  for await (const result of batch) onResult(bare(result));
  return (await batch).throughput;
}

/** Tells each piece of a text, and gives how it ended. */
async function write(view: number, messages: Given, { onText, ...options }: Given): Promise<unknown> {
  const stream = viewOf(view).generate(messages, options);
  for (let next = await stream.next(); ; next = await stream.next()) {
    if (next.done) return next.value;
    onText(next.value);
  }
}

function keep(number: number, view: number, corpus: Corpus, withDocuments: boolean): CorpusInfo {
  corpora.set(number, { corpus, view });
  return { ...infoOf(corpus), ...(withDocuments && { documents: corpus.documents }) };
}

/** The result of a call on a corpus, and what the corpus takes by then. */
async function told(number: number, call: (corpus: Corpus) => Promise<unknown>) {
  const found = corpora.get(number);
  if (!found) throw new Error(`asked of corpus ${number}, which it does not have`);
  const result = await call(found.corpus);
  return { result, info: infoOf(found.corpus) };
}

function infoOf({ layout, order, maxDocumentTokens, bytes }: Corpus): CorpusInfo {
  return { layout, order, maxDocumentTokens, bytes };
}
