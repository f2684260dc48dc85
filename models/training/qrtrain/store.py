"""The passages of all groups as tokens of one vocabulary, made once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .data import Group
from .words import Words

#: Tokens of a passage that are read.
LIMIT = 480


class Store:
    """@param groups Whose passages are kept; `group` below is a number in this list."""

    def __init__(self, words: Words, groups: "list[Group]", limit: int = LIMIT, threads: int = 8):
        self.words, self.limit = words, limit
        self.numbers = [np.array(words.encode(f"[{i + 1}]")) for i in range(64)]
        with ThreadPoolExecutor(threads) as pool:
            self.plain = list(pool.map(lambda group: self._encode([" " + text for text in group.texts]), groups))
            # At the beginning of a line a text has other tokens; only those with a title stand there.
            self.lines = list(pool.map(lambda group: self._encode([text if title else "" for text, title in zip(group.texts, group.titles)]), groups))
            self.titles = list(pool.map(lambda group: self._encode([" " + title if title else "" for title in group.titles]), groups))

    def _encode(self, texts: "list[str]") -> "tuple[np.ndarray, np.ndarray]":
        found = [np.array(one.ids[: self.limit], np.uint16) for one in self.words.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        ends = np.cumsum([0, *map(len, found)])
        return np.concatenate(found), ends

    @staticmethod
    def _one(kept, index: int) -> np.ndarray:
        ids, ends = kept
        return ids[ends[index] : ends[index + 1]].astype(np.int64)

    def document(self, group: int, passage: int, place: int, titled: bool, limit: "int | None" = None) -> np.ndarray:
        """Tokens of `[place + 1] text`, or with a title of `[place + 1] title`, a line break and the text.

        @param limit Tokens of the text, which then has no title.
        """
        title = self._one(self.titles[group], passage) if titled and limit is None else ()
        if not len(title):
            return np.concatenate([self.numbers[place], self._one(self.plain[group], passage)[:limit]])
        return np.concatenate([self.numbers[place], title, np.array(self.words.newline), self._one(self.lines[group], passage)])
