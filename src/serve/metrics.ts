import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RankResult } from "../index.ts";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** What is asked of a model when somebody reads the metrics. */
type Watched = { id: string; queue: { length: number }; isLoaded: boolean; restarts: number };

/** What `GET /metrics` tells, in the text format of Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter("requests_total", "Requests answered.", ["route", "status"]);
  readonly #latency = this.#histogram("request_duration_seconds", "Time from request to answer.", ["route"]);
  readonly #wait = this.#histogram("queue_wait_seconds", "Time that requests waited for their model.", ["model"]);
  readonly #passes = this.#histogram("pass_duration_seconds", "Time of forward passes, by phase.", ["model", "phase"]);
  readonly #tokens = this.#counter("tokens_total", "Tokens of prompts, and of those the ones of queries.", [
    ...["model", "kind"],
  ]);
  readonly #cache = this.#counter("document_cache_total", "Rankings whose documents were read (miss) or not (hit).", [
    ...["model", "result"],
  ]);
  readonly #grouped = this.#counter("grouped_queries_total", "Queries that shared the reading of documents.", [
    "model",
  ]);

  constructor() {
    collectDefaultMetrics({ register: this.#registry, prefix: "qrhead_" });
  }

  watch(models: readonly Watched[]): void {
    const gauge = (name: string, help: string, read: (model: Watched) => number) =>
      new Gauge({
        ...{ name: `qrhead_${name}`, help, labelNames: ["model"], registers: [this.#registry] },
        collect() {
          for (const model of models) this.set({ model: model.id }, read(model));
        },
      });
    gauge("queue_length", "Requests that wait for their model.", ({ queue }) => queue.length);
    gauge("model_loaded", "Whether the model is in memory.", ({ isLoaded }) => Number(isLoaded));
    gauge("engine_restarts", "How often the model's process was started again.", ({ restarts }) => restarts);
  }

  answered(route: string, status: number, milliseconds: number): void {
    this.#requests.inc({ route, status: String(status) });
    this.#latency.observe({ route }, milliseconds / 1000);
  }

  waited(model: string, milliseconds: number): void {
    this.#wait.observe({ model }, milliseconds / 1000);
  }

  grouped(model: string, queries: number): void {
    this.#grouped.inc({ model }, queries);
  }

  ranked(
    model: string,
    { usage, timings }: Pick<RankResult, "timings"> & { usage: Partial<RankResult["usage"]> },
  ): void {
    const { promptTokens = 0, queryTokens = 0 } = usage;
    this.#tokens.inc({ model, kind: "prompt" }, promptTokens);
    this.#tokens.inc({ model, kind: "query" }, queryTokens);
    this.#cache.inc({ model, result: timings.prefillMs === 0 ? "hit" : "miss" });
    for (const phase of ["prefill", "null", "query"] as const) {
      this.#passes.observe({ model, phase }, timings[`${phase}Ms`] / 1000);
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter(name: string, help: string, labelNames: string[]) {
    return new Counter({ name: `qrhead_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labelNames: string[]) {
    return new Histogram({ name: `qrhead_${name}`, help, labelNames, buckets: SECONDS, registers: [this.#registry] });
  }
}
