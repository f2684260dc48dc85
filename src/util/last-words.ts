import type { ReadableText } from "../types.ts";

/** Collects what a child writes; the result gives the line that says most, without the folders of another machine. */
export function lastWords(stderr: ReadableText | null): () => string {
  let text = "";
  stderr?.setEncoding("utf8").on("data", (more: string) => {
    text = (text + more).slice(-10_000);
  });
  return () => {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    const telling = /GGML_ASSERT|GGML_ABORT|fatal error|terminate called|heap out of memory/i;
    return (lines.findLast((line) => telling.test(line)) ?? lines.at(-1) ?? "")
      .replace(/\p{C}+/gu, " ")
      .replace(/^\S*[\\/]((?:ggml|src|common)[\\/])/, "$1")
      .trim()
      .slice(0, 300);
  };
}
