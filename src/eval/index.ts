/** `qrhead/eval`: how well methods retrieve and rerank, on labelled data. */

export { WORD_PROCESSINGS, type WordProcessing } from "../bm25/words.ts";
export type { HeadSet, HeadSetModel } from "../heads/head-set.ts";
export { DATA_FORMATS, DRAWS, GAINS, GRANULARITIES, SETTING_NAMES } from "../options/choices.ts";
export type { EvaluationOptions } from "../options/types/evaluating.ts";
export type { WindowOptions } from "../options/types/ranking.ts";
export type { LoadOptions, Progress, ScoringOptions } from "../options.ts";
export type { Head, RankDocument } from "../types.ts";
export type { Granularity } from "./data/longmemeval.ts";
export type { Format } from "./data/open.ts";
export type { TimeLeft } from "./estimate.ts";
export { evaluate } from "./evaluate.ts";
export type { Method, MethodContext, OpenMethod, Request, Response } from "./methods/method.ts";
export { parseMethods } from "./methods/spec.ts";
export { type Gain, type Measure, type MeasureName, parseMeasure } from "./metrics/measures.ts";
export type { Interval } from "./metrics/statistics.ts";
export type { EvalOptions, EvalProgress } from "./options.ts";
export type { Outcome } from "./outcome.ts";
export { renderHtml } from "./report/html.ts";
export { type EvalReport, type Ranking, REPORT_FORMAT, REPORT_VERSION } from "./report/report.ts";
export { writeTrecFiles } from "./report/trec.ts";
export type { Draw } from "./run.ts";
export { findSetting, SETTINGS, type Setting } from "./settings.ts";
export type { MethodSummary, TaskFacts, TaskSummary } from "./summary.ts";
export type { CandidateOptions, Candidates, Dropped, Grades, Topic } from "./types.ts";
