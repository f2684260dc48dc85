/** The llama.cpp release that node-llama-cpp was built from, without the leading `v`. */
export function llamaVersion(): string;
/** Folder with `include/`, `ggml/include/` and `models/`; made on the first call. */
export function llamaSource(release?: string): string;
