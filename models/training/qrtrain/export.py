"""Adapters and models as GGUF, written with the `gguf` package."""

from pathlib import Path

import numpy as np
import torch

from .ranker import Ranker


def write_adapter(path: Path, model: Ranker, name: str, share: float = 1.0) -> int:
    """llama.cpp's format of a low-rank adapter, in half precision: W + (alpha / rank) · B·A, alpha = share · rank.

    @returns Bytes written.
    """
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("general.name", name)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", share * model.rank)
    for key, value in sorted(model.adapter.items()):
        _, layer, part, side = key.split("-")
        writer.add_tensor(f"blk.{layer}.{part}.weight.lora_{side}", value.detach().cpu().numpy().astype(np.float16))
    return _finish(writer, path)


def write_model(path: Path, start: Path, model: Ranker, entries: "dict[str, str]", exact: bool = False) -> int:
    """The file `start` with what the model has learnt, every tensor in the type that it has there, and entries of its own.

    @param entries Of the metadata, strings; an empty one takes the entry away. @param exact Whether everything is in float32.
    @returns Bytes written.
    """
    import gguf

    reader, writer = gguf.GGUFReader(start), gguf.GGUFWriter(path, "llama")
    given = dict(entries)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture" or given.get(key) == "":
            continue
        value = given.pop(key, field.contents())
        if exact and key == "general.file_type":
            value = 0
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, field.types[0])
    for key, value in given.items():
        if value:
            writer.add_string(key, value)
    learnt = {name.replace("-", ".") for name in model.weights}
    for tensor in reader.tensors:
        name, kind = tensor.name.removesuffix(".weight"), tensor.tensor_type
        if exact or name in learnt:
            values = model.matrix(name).detach().cpu().numpy().astype(np.float32) if name in learnt else gguf.quants.dequantize(tensor.data, kind)
            plain = exact or kind == gguf.GGMLQuantizationType.F32
            writer.add_tensor(tensor.name, values if plain else gguf.quants.quantize(values, kind), raw_dtype=None if plain else kind)
        else:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=kind)
    return _finish(writer, path)


def _finish(writer, path: Path) -> int:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.stat().st_size
