/**
 * Models that `qrhead models pull` knows by name: of each the 4-bit file that most people take, of models for which head sets
 * are published.
 */
export const CATALOGUE: Readonly<Record<string, string>> = {
  "llama-3.2-1b": "hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf",
  "llama-3.2-3b": "hf:bartowski/Llama-3.2-3B-Instruct-GGUF/Llama-3.2-3B-Instruct-Q4_K_M.gguf",
  "llama-3.1-8b": "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
  "qwen2.5-7b": "hf:bartowski/Qwen2.5-7B-Instruct-GGUF/Qwen2.5-7B-Instruct-Q4_K_M.gguf",
};
