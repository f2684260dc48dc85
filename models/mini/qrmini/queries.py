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

    def __init__(self, begins_word: np.ndarray, rarity: np.ndarray, is_digit: np.ndarray, openings: dict,
                 families: "dict[int, np.ndarray] | None" = None, frames: "list[np.ndarray] | None" = None):
        """@param begins_word, rarity, is_digit [vocabulary]; @param openings What `question_openings` made."""
        families, frames = families or {}, frames or []
        self.begins_word = begins_word
        self.rarity = rarity
        self.is_digit = is_digit
        self.openings = {kind: openings[kind] for kind in ("name", "number", "year")}
        self.question_mark = openings["mark"]
        #: Tokens that are written alike but for case and ending, by token; none where there is no other.
        self.families = families
        #: Beginnings of real questions up to their first rare word: what people say around what they ask for.
        self.frames = frames

    def make(self, rng: np.random.Generator, sentences: list[np.ndarray], title: np.ndarray, title_lower: np.ndarray) -> tuple[np.ndarray, int]:
        """@returns The query, and the sentence that is to be taken out of the document, or −1."""
        draw = rng.random()
        at = int(rng.integers(len(sentences)))
        drop = -1
        if draw < 0.18 and len(sentences) >= 2:
            query = sentences[at]
            drop = at if rng.random() < 0.8 else -1
        elif draw < 0.26:
            query = self.fragment(rng, sentences[at])
        elif draw < 0.42:
            query = self.keywords(rng, np.concatenate(sentences), int(rng.integers(2, 8)))
        elif draw < 0.52:
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
        if self.frames and rng.random() < 0.6:
            openings = self.frames
        return np.concatenate([openings[int(rng.integers(len(openings)))], *left[first : first + room], self.question_mark])


    def disturb(self, rng, query, others):
        """Half of the queries as people would have put them who have not read the passage: some words are others, of
        `others`, which stand in the list of none or of another document, and some have another case or ending."""
        if rng.random() < 0.5:
            words = self.words(query)
            weights = self.weights(words)
            foreign = [word for word in self.words(others) if self.rarity[word].max() > 2]
            if len(words) > 2 and foreign:
                for at in np.flatnonzero(rng.random(len(words)) < 0.25):
                    # The word that says most stays, or nothing could be found.
                    if at != weights.argmax() and self.rarity[words[at]].max() > 2:
                        words[at] = foreign[int(rng.integers(len(foreign)))]
                query = np.concatenate(words)
        if rng.random() < 0.5:
            query = np.array([self._relative(rng, int(token)) for token in query], query.dtype)
        return query[:MAX_QUERY_TOKENS]

    def _relative(self, rng, token: int) -> int:
        family = self.families.get(token)
        return token if family is None or rng.random() < 0.75 else int(family[int(rng.integers(len(family)))])


#: Endings that do not change what a word is about, longest first.
_ENDINGS = ("ing", "ed", "es", "ly", "s", "e")


def word_families(pieces: list[str]) -> "dict[int, np.ndarray]":
    """For each piece the other pieces that begin a word and differ in case or a common ending only."""
    groups: dict[str, list[int]] = {}
    for token, piece in enumerate(pieces):
        if not piece.startswith("▁") or not piece[1:].isalpha():
            continue
        stem = piece.lower()
        ending = next((e for e in _ENDINGS if stem.endswith(e) and len(stem) - len(e) >= 4), "")
        groups.setdefault(stem.removesuffix(ending), []).append(token)
    return {
        token: np.array([other for other in group if other != token]) for group in groups.values() if len(group) > 1 for token in group
    }


def question_frames(questions, begins_word: np.ndarray, rarity: np.ndarray, rare: float = 4.0) -> list[np.ndarray]:
    """Of each question the words before its first rare one, where there are two at least."""
    frames = []
    for row in range(len(questions)):
        kept = []
        for word in split_words(questions[row], begins_word):
            if rarity[word].max() > rare:
                break
            kept.append(word)
        if len(kept) > 1:
            frames.append(np.concatenate(kept))
    return frames


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
