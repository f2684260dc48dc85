"""Logits behind a prompt with heads taken out, by the transformers library in float32, from the weights of a GGUF file.

    python without_heads.py --model MODEL.gguf --prompt PROMPT.json --heads 13-18,13-21 --output LOGITS.json

PROMPT.json is what `agree.ts prompt` writes. A head's output is what the attention of its layer hands to the output
projection in the head's columns; a hook on the projection zeroes them. The output holds the logits of the last token with
all heads (`whole`) and without those named (`without`). Needs torch, transformers and gguf; see requirements.txt.
"""

import json

import torch
import transformers
from reference_model import arguments_for, load


def last_logits(model: transformers.PreTrainedModel, tokens: list[int]) -> list[float]:
    with torch.no_grad():
        return model(torch.tensor([tokens]), use_cache=False).logits[0, -1].double().tolist()


def take_out(model: transformers.PreTrainedModel, heads: list[tuple[int, int]]) -> None:
    for index, layer in enumerate(model.model.layers):
        taken = [head for wanted, head in heads if wanted == index]
        size = layer.self_attn.head_dim

        def zero(_module, inputs, taken=taken, size=size):
            mixed = inputs[0].clone()
            for head in taken:
                mixed[..., head * size : (head + 1) * size] = 0
            return (mixed, *inputs[1:])

        if taken:
            layer.self_attn.o_proj.register_forward_pre_hook(zero)


def main() -> None:
    parser = arguments_for(__doc__)
    parser.add_argument("--heads", required=True)
    arguments = parser.parse_args()
    prompt = json.loads(arguments.prompt.read_text())
    tokens = prompt["documents"] + prompt["query"]
    heads = [tuple(int(part) for part in head.split("-")) for head in arguments.heads.split(",")]
    model = load(arguments.model)
    whole = last_logits(model, tokens)
    take_out(model, heads)
    without = last_logits(model, tokens)
    result = {"transformers": transformers.__version__, "heads": heads, "whole": whole, "without": without}
    arguments.output.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
