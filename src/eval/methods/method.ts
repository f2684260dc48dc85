import type { LoadOptions } from "../../options.ts";
import type { Ranker } from "../../ranking/retriever.ts";
import type { RankDocument } from "../../types.ts";
import type { Candidates, Topic } from "../types.ts";

/** What a method ranks: a query and its candidates, cut to size and in the order that they are to be seen in. */
export type Request = {
  topic: Topic;
  documents: readonly RankDocument[];
  /** First-stage scores. */
  scores: readonly number[];
  bm25: Candidates["bm25"];
  signal?: AbortSignal | undefined;
};

/** Scores of the candidates, in their order; higher is better. */
export type Response = {
  scores: number[];
  /** The scores of the heads alone, if a first stage is fused into `scores`. Fusions of the method use these. */
  attention?: number[];
  /** Tokens that the model read and wrote; absent where there is no model. */
  tokens?: number;
  /** What makes the ranking doubtful, such as a prompt longer than the heads are known for. */
  warnings?: string[];
  /** Documents whose end the model did not read, since they are longer than its context. */
  cut?: number;
  /** Answers of the model that were asked for, and those that did not follow the format. */
  answers?: number;
  malformed?: number;
  /** Milliseconds that it took, where it was ranked elsewhere and had to wait. */
  ms?: number;
};

/** A method that is ready to rank; one request at a time. */
export interface OpenMethod extends AsyncDisposable {
  rank(request: Request): Promise<Response>;
}

/** What opening a method may need. */
export type MethodContext = {
  /** How QRHead loads its model; other GGUF methods take the model's path, device and threads from it. */
  load: LoadOptions;
  /** What loads a retriever. Defaults to `QRRetriever.load`. */
  retriever?: ((load: LoadOptions) => Promise<Ranker>) | undefined;
  signal?: AbortSignal | undefined;
};

/** A way to rank, by the name that reports give it. */
export type Method = {
  name: string;
  /** What was asked for, in full. */
  spec: string;
  /** Names of the methods whose rankings this one fuses; then there is nothing to open. */
  fuses?: readonly string[];
  /** What the first of two fused methods counts for in a sum of z-scores; absent for a fusion by ranks. */
  weight?: number;
  /** False where the order of the candidates cannot matter. */
  seesOrder: boolean;
  open(context: MethodContext): Promise<OpenMethod>;
};

/** A ranker without anything to free. */
export function plainMethod(rank: (request: Request) => Promise<Response>): OpenMethod {
  return { rank, async [Symbol.asyncDispose]() {} };
}
