/** Options whose flag is not their name with hyphens. */
const OTHER_FLAGS: Readonly<Record<string, string>> = {
  budgetTokens: "--budget",
  libraryDirectory: "--library",
  windowTokens: "--window-size",
  chunkTokens: "--chunk-size",
  "windows.windowTokens": "--window-size",
  "windows.windowDocuments": "--window-documents",
  "windows.merge": "--merge",
  "chunk.by": "--chunk-by",
  "chunk.size": "--chunk-size",
  "protect.headings": "--keep-headings",
  "protect.speakers": "--keep-speaker",
  "protect.markers": "--keep-marks",
  detectHeads: "qrhead detect",
};

/** Options whose flag is their name with hyphens. */
const SAME_FLAGS = new Set(
  (
    "batchSize cacheTypeK cacheTypeV calibration checkpoint contextSize depths documents fitWeights flashAttention force gpu " +
    "gpuLayers heads headScores layout lengths limit mask maxDocumentTokens maxTokens merge minTokens model needle neighbours " +
    "nullQuery objective order prompt rawMass resume seed shuffle skipLong temperature threads threshold tokenScores top " +
    "topK unit untilStable verify weights windowDocuments windows"
  ).split(" "),
);

/** Switches that the command line only has turned off. */
const ON_BY_DEFAULT = new Set(["calibration", "mask", "weights", "flashAttention", "verify"]);

/** The flag of an option of the library, such as `--context-size` for `contextSize`; undefined where there is none. */
export function flagOf(option: string): string | undefined {
  const other = OTHER_FLAGS[option];
  if (other !== undefined || !SAME_FLAGS.has(option)) return other;
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * What the library says about its options, in words of the command line: `contextSize` becomes `--context-size`,
 * `force: true` `--force`, `gpu: false` `--gpu false`, `windows: { windowTokens: 1024 }` `--window-size 1024`. Single words
 * such as "heads" stay: they may be English.
 */
export function withFlags(text: string): string {
  return text
    .replace(/\b(?:windows|chunk|protect): \{ ([^{}]*) \}/g, "$1")
    .replace(/\b([a-z][\w.]*): (true|false|"[^"]*"|\d+)/g, (whole, option: string, value: string) => {
      const flag = flagOf(option);
      if (flag === undefined) return whole;
      if (value === "true") return flag;
      if (value === "false" && ON_BY_DEFAULT.has(option)) return flag.replace("--", "--no-");
      return `${flag} ${value.replaceAll('"', "")}`;
    })
    .replace(/(?<![\w.-])[a-z]+(?:\.[a-z]\w*|[A-Z]\w*)+/g, (option) => flagOf(option) ?? option);
}
