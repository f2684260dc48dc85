"""Queries made from a passage itself. All work on token arrays; words are runs that begin with a space."""

import numpy as np

#: Longest query in tokens, the space after `Query:` included.
MAX_QUERY_TOKENS = 48


def split_words(tokens: np.ndarray, begins_word: np.ndarray) -> list[np.ndarray]:
    starts = np.flatnonzero(begins_word[tokens])
    starts = starts[starts > 0]
    return [word for word in np.split(tokens, starts) if len(word)]


class QueryMaker:
    """Draws a query for a document from its own text.

    The kinds imitate what people ask of a passage: its sentences, telegraphic fragments of them, keywords, the title
    with an aspect, and questions whose answer was cut out.
    """

    def __init__(self, begins_word: np.ndarray, rarity: np.ndarray, is_digit: np.ndarray, openings: dict):
        """@param begins_word, rarity, is_digit [vocabulary]; @param openings What `question_openings` made."""
        self.begins_word = begins_word
        self.rarity = rarity
        self.is_digit = is_digit
        self.openings = {kind: openings[kind] for kind in ("name", "number", "year")}
        self.question_mark = openings["mark"]

    def make(self, rng: np.random.Generator, sentences: list[np.ndarray], title: np.ndarray, title_lower: np.ndarray) -> tuple[np.ndarray, int]:
        """@returns The query, and the sentence that is to be taken out of the document, or −1."""
        draw = rng.random()
        at = int(rng.integers(len(sentences)))
        drop = -1
        if draw < 0.28 and len(sentences) >= 2:
            query = sentences[at]
            drop = at if rng.random() < 0.8 else -1
        elif draw < 0.40:
            query = self.fragment(rng, sentences[at])
        elif draw < 0.56:
            query = self.keywords(rng, np.concatenate(sentences), int(rng.integers(2, 8)))
        elif draw < 0.66:
            query = self.telegram(rng, sentences[at])
        elif draw < 0.88:
            query = self.question(rng, sentences[at])
        elif draw < 0.92 or len(title) == 0:
            query = self.keywords(rng, np.concatenate(sentences), 1)
        else:
            name = title if rng.random() < 0.6 else title_lower
            aspect = rng.integers(0, 4)
            query = name if aspect == 0 else np.concatenate([name, self.keywords(rng, np.concatenate(sentences), int(aspect))])
        return query[:MAX_QUERY_TOKENS], drop

    def words(self, tokens: np.ndarray) -> list[np.ndarray]:
        return split_words(tokens, self.begins_word)

    def weights(self, words: list[np.ndarray]) -> np.ndarray:
        """How much a word says: the square of the rarity of its rarest token."""
        weights = np.array([self.rarity[word].max() for word in words]) ** 2 + 1e-6
        return weights / weights.sum()

    def fragment(self, rng, sentence):
        words = self.words(sentence)
        size = int(rng.integers(4, 13))
        begin = int(rng.integers(max(1, len(words) - size + 1)))
        return np.concatenate(words[begin : begin + size])

    def keywords(self, rng, tokens, count):
        words = self.words(tokens)
        chosen = rng.choice(len(words), size=min(count, len(words)), replace=False, p=self.weights(words))
        if rng.random() < 0.5:
            chosen = np.sort(chosen)
        return np.concatenate([words[i] for i in chosen])

    def telegram(self, rng, sentence):
        """A sentence without about a third of its words, the common ones first."""
        words = self.words(sentence)
        weights = self.weights(words)
        keep = rng.random(len(words)) < np.clip(0.25 + weights * len(words) * 0.6, 0, 0.9)
        keep[int(weights.argmax())] = True
        return np.concatenate([word for word, kept in zip(words, keep) if kept])

    def answer_kind(self, words) -> str:
        """Four digits look like a year, other digits like a number, the rest like a name or a thing."""
        digits = [int(self.is_digit[word].sum()) for word in words]
        return "name" if not any(digits) else "year" if 4 in digits else "number"

    def question(self, rng, sentence):
        """A question word and the sentence without one span, which would be the answer, and without some words."""
        words = self.words(sentence)
        if len(words) < 4:
            return sentence
        weights = self.weights(words)
        begin = int(rng.choice(len(words), p=weights))
        end = min(len(words), begin + int(rng.integers(1, 4)))
        openings = self.openings[self.answer_kind(words[begin:end])]
        drop = rng.random(len(words)) < 0.2 * (weights < weights.mean())
        left = [word for i, word in enumerate(words) if not (begin <= i < end) and not drop[i]]
        if not left:
            return sentence
        room = int(rng.integers(6, 18))
        first = int(rng.integers(max(1, len(left) - room + 1)))
        return np.concatenate([openings[int(rng.integers(len(openings)))], *left[first : first + room], self.question_mark])


def question_openings(encode) -> dict:
    """Openings for `QueryMaker`, in tokens. `encode` takes text."""
    groups = {
        "name": ["who", "what", "which", "where", "what is the name of", "what was", "who was", "in what", "which of"],
        "number": ["how many", "how much", "what number of", "how long", "how"],
        "year": ["when", "when did", "in what year", "when was", "why", "why did"],
    }
    return {
        kind: [encode(" " + wording) for text in texts for wording in (text, text[0].upper() + text[1:])]
        for kind, texts in groups.items()
    } | {"mark": encode("?")}
