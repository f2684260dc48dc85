"""Token ids of texts by the tokenizer libraries that the models were made with, from the vocabulary of a GGUF file.

    python tokens.py --texts TEXTS.json --output IDS.json smollm2=SMOLLM2.gguf gemma3=GEMMA3.gguf

TEXTS.json is a list of texts. The output holds the texts and, under each model's name, their ids without special tokens.
Byte-level vocabularies go through Hugging Face's tokenizers, as transformers makes them of a GGUF; SentencePiece's through
sentencepiece. transformers does not do the latter rightly: of Gemma 3 it makes a tokenizer that cuts " the" into letters.
Needs transformers, sentencepiece and gguf; see requirements.txt.
"""

import argparse
import json
import pathlib

import gguf
import sentencepiece
import tokenizers
import transformers
from sentencepiece import sentencepiece_model_pb2

# transformers reads a file's merges and not what its `tokenizer.ggml.pre` says.
PRE_TOKENIZERS = {
    "smollm": lambda: tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    ),
}


def by_hugging_face(model: pathlib.Path, pre: str, texts: list[str]) -> list[list[int]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model.parent, gguf_file=model.name)
    tokenizer.backend_tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    # Text that looks like special tokens is a user's text.
    return [tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]


def by_sentencepiece(reader: gguf.GGUFReader, texts: list[str]) -> list[list[int]]:
    field = lambda name: reader.fields[f"tokenizer.ggml.{name}"].contents()
    proto = sentencepiece_model_pb2.ModelProto()
    for text, score, kind in zip(field("tokens"), field("scores"), field("token_type"), strict=True):
        # Converters write runs of spaces as they are; SentencePiece knows them as its own mark.
        proto.pieces.add(piece=text.replace(" ", "\u2581"), score=score, type=kind)
    proto.trainer_spec.model_type = proto.trainer_spec.BPE
    proto.trainer_spec.byte_fallback = True
    for kind in ("unk", "bos", "eos", "pad"):
        name = {"unk": "unknown", "pad": "padding"}.get(kind, kind)
        key = f"tokenizer.ggml.{name}_token_id"
        if key in reader.fields:
            setattr(proto.trainer_spec, f"{kind}_piece", field("tokens")[reader.fields[key].contents()])
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = False
    proto.normalizer_spec.remove_extra_whitespaces = False
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(proto.SerializeToString())
    return [processor.EncodeAsIds(text) for text in texts]


def ids_of(model: pathlib.Path, texts: list[str]) -> list[list[int]]:
    reader = gguf.GGUFReader(model)
    if reader.fields["tokenizer.ggml.model"].contents() == "llama":
        return by_sentencepiece(reader, texts)
    return by_hugging_face(model, reader.fields["tokenizer.ggml.pre"].contents(), texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL.gguf")
    arguments = parser.parse_args()
    texts = json.loads(arguments.texts.read_text())
    named = dict(model.split("=", 1) for model in arguments.models)
    ids = {name: ids_of(pathlib.Path(model).resolve(), texts) for name, model in named.items()}
    versions = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__}
    result = {"by": versions, "texts": texts, **ids}
    arguments.output.write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
