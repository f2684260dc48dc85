"""Ragged arrays, and a folder of arrays compressed to travel."""

import json
import lzma
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterable, Sequence

import numpy as np

#: Bytes of one compressed stream before compression: streams are read in parallel.
_CHUNK = 8 << 20


class Ragged:
    """Rows of different length in one flat array. `ragged[i]` is a view."""

    def __init__(self, flat: np.ndarray, lengths: np.ndarray):
        self.flat = flat
        self.lengths = lengths
        self.offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if self.offsets[-1] != len(flat):
            raise ValueError(f"Expected {self.offsets[-1]} values for the rows but received {len(flat)}")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    @staticmethod
    def of(rows: Iterable[Sequence[int]], dtype=np.uint16) -> "Ragged":
        rows = [np.asarray(row, dtype=dtype) for row in rows]
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype)
        return Ragged(flat, np.array([len(row) for row in rows], np.uint32))


def _filters(item_size: int) -> list[dict]:
    # Tokens are pairs of bytes: telling LZMA so makes the stream smaller than its defaults, which suit text.
    align = {1: 0, 2: 1}.get(item_size, 2)
    return [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 3 - min(align, 1), "lp": align, "pb": align, "dict_size": _CHUNK}]


def save(folder: Path, arrays: dict[str, "np.ndarray | Ragged"], info: dict) -> int:
    """Writes `folder/index.json` and one `.xz` a chunk.

    @returns Bytes written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.xz"):
        old.unlink()
    index: dict[str, dict] = {}
    total = 0
    flat: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        if isinstance(value, Ragged):
            flat[name], flat[f"{name}.lengths"] = value.flat, value.lengths
        else:
            flat[name] = value
    for name, value in flat.items():
        value = np.ascontiguousarray(value)
        data = value.tobytes()
        pieces = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
        files = []
        for number, piece in enumerate(pieces):
            packed = lzma.compress(piece, filters=_filters(value.itemsize))
            file = f"{name}.{number}.xz"
            (folder / file).write_bytes(packed)
            total += len(packed)
            files.append(file)
        index[name] = {"dtype": value.dtype.str, "shape": list(value.shape), "files": files}
    body = json.dumps({"arrays": index, "info": info}, ensure_ascii=False)
    (folder / "index.json").write_text(body)
    return total + len(body.encode())


def load(folder: Path) -> tuple[dict[str, "np.ndarray | Ragged"], dict]:
    """What `save` wrote: arrays by name, and the info."""
    index = json.loads((folder / "index.json").read_text())
    files = [file for entry in index["arrays"].values() for file in entry["files"]]
    with ThreadPoolExecutor() as pool:
        parts = dict(zip(files, pool.map(lambda file: lzma.decompress((folder / file).read_bytes()), files)))
    flat = {
        name: np.frombuffer(b"".join(parts[file] for file in entry["files"]), entry["dtype"]).reshape(entry["shape"])
        for name, entry in index["arrays"].items()
    }
    arrays: dict[str, np.ndarray | Ragged] = {}
    for name, value in flat.items():
        if name.endswith(".lengths"):
            continue
        lengths = flat.get(f"{name}.lengths")
        arrays[name] = value if lengths is None else Ragged(value, lengths)
    return arrays, index["info"]
