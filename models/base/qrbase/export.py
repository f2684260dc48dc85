"""Adapters and merged models as GGUF, written with the `gguf` package."""

from pathlib import Path

import numpy as np
import torch

from .backbone import Backbone


def write_adapter(path: Path, adapter: "dict[str, torch.Tensor]", rank: int, share: float, name: str) -> int:
    """llama.cpp's format of a low-rank adapter, in half precision: W + (alpha / rank) · B·A, alpha = share · rank.

    @returns Bytes written.
    """
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("general.name", name)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", share * rank)
    for key in sorted(adapter):
        _, layer, part, side = key.split("-")
        values = adapter[key].detach().float().numpy().astype(np.float16)
        writer.add_tensor(f"blk.{layer}.{part}.weight.lora_{side}", np.ascontiguousarray(values))
    _finish(writer)
    return path.stat().st_size


def read_adapter(path: Path) -> "tuple[dict[str, torch.Tensor], float]":
    """What `write_adapter` wrote: the matrices, and the share."""
    import gguf

    reader = gguf.GGUFReader(path)
    adapter, rank = {}, 1
    for tensor in reader.tensors:
        _, layer, part, _, side = tensor.name.split(".")
        values = torch.from_numpy(np.array(tensor.data, np.float32))
        adapter[f"blk-{layer}-{part}-{side[-1]}"] = values
        rank = len(values) if side == "lora_a" else rank
    return adapter, float(reader.fields["adapter.lora.alpha"].contents()) / rank


def write_merged(source: Path, path: Path, model: Backbone) -> None:
    """The file `source` with the merged weights of `model`, everything in float32."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, "llama")
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = 0 if key == "general.file_type" else field.contents()
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, field.types[0])
    merged = model.merged()
    for tensor in reader.tensors:
        values = merged.get(tensor.name.removesuffix(".weight"))
        if values is None:
            values = torch.from_numpy(np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32))
        writer.add_tensor(tensor.name, np.ascontiguousarray(values.float().numpy()))
    _finish(writer)


def _finish(writer) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
