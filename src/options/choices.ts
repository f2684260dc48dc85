/** The words that options take where they take one of a few. */

/** K and V cache types that llama.cpp computes attention with. */
export const CACHE_TYPES = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"] as const;
/** As the command line writes them; the library takes `false` for the CPU. */
export const GPU_NAMES = ["auto", "false", "cuda", "vulkan", "metal"] as const;
export const PROMPT_NAMES = ["auto", "llama3", "qwen2.5", "template", "plain", "question"] as const;
export const ORDERS = ["given", "reverse"] as const;
export const LAYOUTS = ["listwise", "independent"] as const;
/** How the scores of several windows become one ranking. */
export const MERGE_RULES = ["calibrated", "final", "tournament", "sliding"] as const;
/** What a text is cut into. */
export const CHUNK_UNITS = ["tokens", "sentences", "paragraphs", "markdown", "turns", "sessions", "code"] as const;
/** What pruning keeps or leaves out whole. */
export const PRUNE_UNITS = ["auto", "sentence", "chunk"] as const;
/** In which order pieces stand in a context. */
export const PIECE_ORDERS = ["given", "number", "date", "score"] as const;
/** What detection rates heads by. */
export const OBJECTIVES = ["mass", "ndcg", "contrastive"] as const;
/** How a query is made from a passage. */
export const NEEDLES = ["mixed", "fact", "sentence", "cloze", "keywords"] as const;
/** Formats of labelled data. */
export const DATA_FORMATS = ["beir", "pools", "longmemeval", "locomo", "clipper", "niah"] as const;
/** What is retrieved: a round is a user's turn with the answer to it, a session a whole conversation. */
export const GRANULARITIES = ["round", "session", "turn"] as const;
/** Gains of nDCG. */
export const GAINS = ["linear", "exponential"] as const;
/** Generators that topics can be drawn by. */
export const DRAWS = ["qrhead", "numpy"] as const;
/** Published settings of evaluation. */
export const SETTING_NAMES = ["beir", "longmemeval", "clipper", "order-sensitivity"] as const;
/** Published formats that a head set can be written in. */
export const EXPORT_FORMATS = ["qrhead-yaml", "qrhead-list", "wu"] as const;
/** Ways through a model that `qrhead bench` measures. */
export const BENCH_TRIALS = ["plain", "rerank", "stopped", "all", "detect", "softMax"] as const;
/** How a documents file may be written: `text` is one document a line, `json` an array or one object, `jsonl` JSON Lines. */
export const DOCUMENT_FORMATS = ["auto", "text", "json", "jsonl"] as const;
