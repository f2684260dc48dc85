import type { RankDocument } from "../types.ts";

/** Short passages about unrelated things, written for `qrhead demo`. */
export const DEMO_DOCUMENTS: readonly RankDocument[] = [
  {
    id: "leaves",
    title: "Autumn leaves",
    text:
      "In autumn, trees stop making chlorophyll, the pigment that keeps their leaves green. As the green fades, yellow " +
      "carotenoids that were there all summer become visible, and in some species sugar trapped in the leaf turns into red pigment.",
  },
  {
    id: "tides",
    title: "Tides",
    text:
      "The level of the sea rises and falls about twice a day. The gravity of the Moon pulls the water on the near side of the " +
      "Earth into a bulge, and the Sun adds a smaller pull of its own.",
  },
  {
    id: "printing",
    title: "Printing press",
    text:
      "Johannes Gutenberg, a goldsmith from Mainz, introduced movable metal type to Europe around 1450. Books that had " +
      "taken scribes months to copy could now be printed in hundreds of copies.",
  },
  {
    id: "bees",
    title: "Waggle dance",
    text:
      "A honey bee that has found flowers tells the hive by dancing. The angle of her run on the comb shows the direction " +
      "relative to the sun, and how long she waggles shows the distance.",
  },
  {
    id: "volcano",
    title: "Vesuvius",
    text:
      "In the year 79 the volcano Vesuvius erupted and buried the Roman town of Pompeii under metres of ash. Its streets, " +
      "houses and wall paintings were found almost intact in the eighteenth century.",
  },
  {
    id: "vaccine",
    title: "Smallpox",
    text:
      "In 1796 Edward Jenner showed that people infected with mild cowpox were protected from smallpox. His method became " +
      "the first vaccine, and smallpox was declared eradicated in 1980.",
  },
  {
    id: "chess",
    title: "Deep Blue",
    text:
      "In 1997 the computer Deep Blue, built by IBM, won a match of six games against Garry Kasparov, then the world champion " +
      "of chess. It examined about two hundred million positions a second.",
  },
  {
    id: "bread",
    title: "Sourdough",
    text:
      "A sourdough starter is a mixture of flour and water in which wild yeast and bacteria live. The yeast makes the dough " +
      "rise, and the bacteria make the acids that give the bread its taste.",
  },
];

/** Each is answered by the document of that id. */
export const DEMO_QUERIES: readonly { query: string; answer: string }[] = [
  { query: "Why are forests yellow in October?", answer: "leaves" },
  { query: "Who beat the world champion at chess?", answer: "chess" },
  { query: "Why does the sea level change twice a day?", answer: "tides" },
];
