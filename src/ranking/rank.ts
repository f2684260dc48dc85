import { QRHeadError } from "../errors.ts";
import { shortSight } from "../heads/local.ts";
import type { ResolvedHeads } from "../heads/spec.ts";
import type { LoadedModel } from "../model/model.ts";
import { callNative } from "../native/call.ts";
import { DEFAULT_NULL_QUERY, type LoadOptions, type RankOptions } from "../options.ts";
import { contentTokens } from "../prompt/layout.ts";
import type { PromptProfile } from "../prompt/profiles.ts";
import type { Reader, Session } from "../reading/session.ts";
import type { RankDocument } from "../types.ts";
import { findDegenerate } from "./degenerate.ts";
import { describeTokens, type RankedDocument, type RankResult } from "./results.ts";
import { scoreDocuments } from "./scoring/documents.ts";
import { isBlank, placeDocuments } from "./scoring/placement.ts";
import type { WindowOptions } from "./windows/options.ts";
import { rankInWindows } from "./windows/rank.ts";

/**
 * Scores documents with one model, its heads and a prompt: sections 2 and 3 of the paper. Readers hold the documents; this
 * holds nothing that a call changes.
 */
export class Ranker {
  readonly #model: LoadedModel;
  readonly #heads: ResolvedHeads;
  readonly #profile: PromptProfile;
  readonly #options: LoadOptions;
  /** What each head counts for; null where all count alike. */
  readonly weights: Float32Array | null;

  constructor(model: LoadedModel, heads: ResolvedHeads, profile: PromptProfile, options: LoadOptions) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
    this.weights = heads.weights ? Float32Array.from(heads.weights) : null;
  }

  /** The null query of a call, or null where its scores are not calibrated. */
  nullQuery(options: RankOptions): string | null {
    const { calibration = true, nullQuery } = { ...this.#options, ...options };
    return calibration ? (nullQuery ?? this.#heads.nullQuery ?? DEFAULT_NULL_QUERY) : null;
  }

  /**
   * Ranks all documents in one prompt.
   *
   * @throws ContextOverflowError when the prompt does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` rather than a ranking that cannot be trusted.
   */
  async rank(
    reader: Reader,
    query: string,
    documents: readonly RankDocument[],
    options: RankOptions,
  ): Promise<RankResult> {
    const began = performance.now();
    const settings = { ...this.#options, ...options };
    const mask = settings.mask ?? true;

    const shortened = await reader.truncate(documents, settings.maxDocumentTokens, options.signal);
    const order = documents.map((_, index) => index);
    if (settings.order === "reverse") order.reverse();
    const positionOf = (index: number) => (settings.order === "reverse" ? documents.length - 1 - index : index);
    const layout = await reader.layOut(
      order.map((index) => shortened[index]!),
      query,
      this.nullQuery(options),
      options.signal,
    );

    const weights = (settings.weights ?? true) ? this.weights : null;
    // Heads that do not count alike cannot be summed while they are captured.
    const observed = await reader.observe(layout, options.headScores === true || weights !== null, options);
    const { addon } = this.#model.library;
    const tokenScores = await callNative(addon, options.signal, () =>
      observed.query.sumOverHeads(observed.null, layout.querySpan[0], weights),
    );
    const scores = scoreDocuments(tokenScores, layout.documentSpans, { mask });
    const raw = () => observed.query.sumOverHeads(null, layout.querySpan[0], weights);
    const { error, warning } = await findDegenerate(layout, tokenScores, raw, scores);
    if (error !== undefined) throw new QRHeadError("ATTENTION_INVALID", error);
    const placed = placeDocuments(
      order.map((_, index) => ({
        score: scores[positionOf(index)]!,
        span: layout.documentSpans[positionOf(index)]!,
        contentTokens: contentTokens(layout, positionOf(index)),
        blank: isBlank(shortened[index]!),
        titled: (shortened[index]!.title ?? "").trim() !== "",
      })),
      tokenScores,
      { mask },
    );
    const headScores = options.headScores
      ? await callNative(addon, options.signal, () =>
          observed.query.documentScores({
            baseline: observed.null,
            spans: Uint32Array.from(layout.documentSpans.flat()),
            mask: mask ? "shared" : "none",
            weights,
          }),
        )
      : undefined;
    const bytes = options.tokenScores ? Buffer.from(layout.prompt.text, "utf8") : undefined;

    const describe = (index: number): RankedDocument => {
      const position = positionOf(index);
      return {
        index,
        id: documents[index]!.id,
        score: scores[position]!,
        ...(placed.demoted[index] && { demoted: placed.demoted[index] }),
        ...(shortened[index]!.truncated && { truncated: true }),
        ...(headScores && {
          headScores: this.#heads.heads.map((_, row) => headScores[row * documents.length + position]!),
        }),
        ...(bytes && { tokenScores: describeTokens(layout, bytes, tokenScores, position, mask) }),
      };
    };
    const lengths = layout.documentSpans.map(([begin, end]) => end - begin);
    return {
      query,
      heads: [...this.#heads.heads],
      ...(weights && { weights: [...this.#heads.weights!] }),
      results: placed.order.slice(0, options.topK).map(describe),
      usage: {
        promptTokens: layout.tokens.length,
        queryTokens: layout.querySpan[1] - layout.querySpan[0],
        documentTokens: documents.map((_, index) => lengths[positionOf(index)]!),
      },
      timings: { loadMs: this.#model.loadMs, ...observed.timings, totalMs: performance.now() - began },
      warnings: [
        // The positions of independent documents are bounded by the longest of them.
        ...(reader.layout === "listwise" ? this.#warnings(layout.tokens.length) : this.#headWarnings()),
        ...this.#layoutWarning(reader.layout),
        ...(warning === undefined ? [] : [warning]),
      ],
    };
  }

  #headWarnings(): string[] {
    const { warning, prompt, name } = this.#heads;
    const warnings = warning ? [warning] : [];
    if (prompt && prompt !== "auto" && prompt !== this.#profile.name) {
      warnings.push(
        `Heads ${name} were found with the ${prompt} prompt, and rank with the ${this.#profile.name} prompt here`,
      );
    }
    return warnings;
  }

  #layoutWarning(layout: Reader["layout"]): string[] {
    const { layout: known = layout, name } = this.#heads;
    if (known === layout) return [];
    return [`Heads ${name} rank ${known} documents, and worse with layout ${layout}: use layout: "${known}"`];
  }

  #warnings(promptTokens: number): string[] {
    const { name, promptTokens: known = Number.POSITIVE_INFINITY } = this.#heads;
    const trained = this.#model.info.trainContextSize || Number.POSITIVE_INFINITY;
    const { contextSize = 0 } = this.#options;
    const warnings = this.#headWarnings();
    if (contextSize > trained) {
      warnings.push(
        `The contextSize ${contextSize} is beyond the ${trained} tokens that the model was trained for: longer prompts ` +
          "rank worse, and without a contextSize documents that do not fit are ranked in windows",
      );
    }
    if (promptTokens > known) {
      warnings.push(
        `Heads ${name} are known to rank well in prompts of up to ${known} tokens, and this one has ${promptTokens}: ` +
          `rank in windows with windows: { windowTokens: ${Math.max(16, known)} }, or cut the documents`,
      );
    }
    const short = shortSight(this.#heads.heads, this.#model.identity, promptTokens);
    return short === null ? warnings : [...warnings, short];
  }

  /** Ranks documents in as many prompts as it takes; see `rankInWindows`. */
  rankInWindows(
    session: Session,
    query: string,
    documents: readonly RankDocument[],
    windows: WindowOptions,
    options: RankOptions,
  ): Promise<RankResult> {
    const { signal } = options;
    const { maxDocumentTokens } = { ...this.#options, ...options };
    const single: RankOptions = { ...options, topK: undefined, maxDocumentTokens: undefined };
    return rankInWindows(
      {
        limit: session.limit,
        truncate: (texts) => session.truncate(texts, maxDocumentTokens, signal),
        layOut: (texts) => session.layOut(texts, query, this.nullQuery(options), signal),
        tokenize: async (text) => (await session.tokenize(text, signal)).offsets,
        rank: (texts, onProgress) => this.rank(session, query, texts, { ...single, onProgress }),
      },
      documents,
      windows,
      options,
    );
  }
}
