"""Attention of a prompt by the transformers library, in float32, from the weights of a GGUF file.

    python attention.py --model MODEL.gguf --prompt PROMPT.json --output ATTENTION.json [--float-model MODEL.F32.gguf]

PROMPT.json is what `agree.ts prompt` writes. The output holds, for the query and for the null query, the attention
that each head pays to each document: the mean over the query's tokens of the sum over the document's tokens,
`[layers][heads][documents]`. With --float-model the same weights are written as a GGUF in float32, so that both sides
compute from the same numbers. Needs torch, transformers and gguf; see requirements.txt.
"""

import json
import pathlib

import gguf
import numpy
import torch
import transformers
from reference_model import arguments_for, load


def write_float_model(source: pathlib.Path, target: pathlib.Path) -> None:
    """Every tensor dequantised to float32, all metadata as it was."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, arch=reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        value_type = field.types[0]
        sub_type = field.types[-1] if value_type == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), value_type, sub_type=sub_type)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        shape = [int(n) for n in reversed(tensor.shape)]
        writer.add_tensor(tensor.name, values.reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def attention(model: transformers.PreTrainedModel, documents: list[int], query: list[int], spans) -> list:
    """`[layers][heads][documents]` for one forward pass over the documents' tokens and then the query's."""
    tokens = torch.tensor([documents + query])
    with torch.no_grad():
        layers = model(tokens, output_attentions=True, use_cache=False).attentions
    rows = [layer[0, :, len(documents) :, :].double().mean(dim=1) for layer in layers]
    return [[[float(head[begin:end].sum()) for begin, end in spans] for head in row] for row in rows]


def main() -> None:
    parser = arguments_for(__doc__)
    parser.add_argument("--float-model", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.float_model:
        write_float_model(arguments.model, arguments.float_model)
    prompt = json.loads(arguments.prompt.read_text())
    model = load(arguments.model)
    result = {
        kind: attention(model, prompt["documents"], prompt[kind], prompt["spans"]) for kind in ("query", "null")
    }
    arguments.output.write_text(json.dumps({"transformers": transformers.__version__, **result}))


if __name__ == "__main__":
    main()
