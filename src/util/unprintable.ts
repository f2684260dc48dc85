/** Control characters but tab and line break, and the marks that turn the direction of writing around: text has none. */
export const UNPRINTABLE = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/gu;
