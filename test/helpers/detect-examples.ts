import type { DetectionExampleInput } from "../../src/detect/index.ts";

const passages: Record<string, { title: string; text: string }> = {
  lighthouse: { title: "Lighthouse", text: "The keeper climbed every evening and trimmed the lamp." },
  hive: { title: "Beekeeping", text: "Smoke calms a hive, so honey can be taken without many stings." },
  ice: { title: "Glaciers", text: "Ice that flows downhill carves valleys and leaves moraines behind." },
  type: { title: "Printing", text: "Movable type made books cheap, and pamphlets cheaper still." },
  tide: { title: "Tides", text: "The moon pulls the ocean, which bulges twice around the globe each day." },
  violin: { title: "Violin", text: "Four strings are tuned in fifths and played with a bow of horsehair." },
};

const example = (id: string, query: string, order: string[], ...gold: string[]): DetectionExampleInput => ({
  id,
  query,
  docs: order.map((name) => ({ id: name, ...passages[name]! })),
  gold,
});

/** Small examples in which the gold documents share words with the query, at every place in the prompt. */
export const EXAMPLES: DetectionExampleInput[] = [
  example("lamp", "Who trimmed the lamp?", ["lighthouse", "hive", "ice", "type"], "lighthouse"),
  example("honey", "honey and stings from a hive", ["tide", "hive", "violin", "lighthouse"], "hive"),
  example("valleys", "What carves valleys and leaves moraines?", ["type", "violin", "ice", "tide"], "ice"),
  example("books", "cheap books, cheaper pamphlets", ["hive", "lighthouse", "tide", "type"], "type"),
  example("moon", "How does the moon pull the ocean?", ["tide", "ice", "type", "violin"], "tide"),
  example(
    "bow",
    "strings and a bow of horsehair, ocean and globe",
    ["violin", "hive", "tide", "ice"],
    "violin",
    "tide",
  ),
];
