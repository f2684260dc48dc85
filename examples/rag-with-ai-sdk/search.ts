const FACTS = [
  "Sea otters hold hands while they sleep, so that they do not drift apart.",
  "Swifts sleep on the wing and land for breeding only.",
  "A giraffe sleeps less than two hours a day, often standing.",
  "Octopuses have three hearts and blue blood.",
  "Bats hang by their feet; a tendon locks the claws without any effort.",
  "Honeybees tell the way to flowers by a dance.",
];

/** Stands for your search: the facts that share a word with the question. */
export function search(question: string): string[] {
  const words = new Set(question.toLowerCase().match(/\p{L}{4,}/gu));
  const stems = [...words].map((word) => word.slice(0, 4));
  return FACTS.filter((fact) => stems.some((stem) => fact.toLowerCase().includes(stem)));
}
