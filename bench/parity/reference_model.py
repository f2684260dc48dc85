"""What the parity scripts share: their arguments, and the model as transformers reads it from a GGUF."""

import argparse
import pathlib

import torch
import transformers


def arguments_for(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--model", "--prompt", "--output"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    return parser


def load(model: pathlib.Path) -> transformers.PreTrainedModel:
    """In 32-bit floats, with attention that shows its weights."""
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_pretrained(
        model.parent,
        gguf_file=model.name,
        dtype=torch.float32,
        attn_implementation="eager",
    ).eval()
