"""The commands. Each prints one line of JSON with what it did; `--help` says what it takes."""

import argparse
import json
import sys
from pathlib import Path

from .config import MODELS, STAGES


def _tokenizer(args: argparse.Namespace) -> dict:
    from . import text, tokenizer

    sentences = (
        sentence
        for article in text.articles(text.read_text(args.wikipedia)[: args.characters])
        for passage in article.passages
        for sentence in passage
    )
    tokenizer.train(sentences, args.output, args.size)
    return {"vocabulary": args.size, "output": str(args.output)}


def _data(args: argparse.Namespace) -> dict:
    from . import prepare
    from .tokenizer import Tokenizer

    return prepare.build(
        Tokenizer(args.vocabulary), args.output, args.wikipedia, beir=args.beir, pools=args.pool, validation=args.validation,
        held_out=args.held_out, tokens=args.tokens, validation_queries=args.validation_queries, seed=args.seed,
    )


def _train(args: argparse.Namespace) -> dict:
    from . import train

    return train.run(train.Options(**{key: value for key, value in vars(args).items() if key not in ("command", "call")}))


def _export(args: argparse.Namespace) -> dict:
    from . import checkpoint, export
    from .tokenizer import Tokenizer, Vocabulary

    vocabulary = Tokenizer(args.vocabulary).pieces() if args.vocabulary.suffix == ".model" else Vocabulary.load(args.vocabulary)
    config, weights = checkpoint.read_weights(args.checkpoint)
    size = export.write(args.output, config, weights, vocabulary, args.type, args.name)
    return {"output": str(args.output), "type": args.type, "bytes": size}


def _evaluate(args: argparse.Namespace) -> dict:
    from . import evaluate

    return evaluate.run(args.checkpoint, args.data, device=args.device, queries=args.queries, document_tokens=args.document_tokens,
                        documents=args.documents, independent=args.independent, threads=args.threads,
                        loss_steps=args.loss_steps, stage=args.stage)


def _parity(args: argparse.Namespace) -> dict:
    from . import parity

    return parity.run(args.checkpoint, args.vocabulary, args.repository, args.type, args.work, args.independent)


def _latency(args: argparse.Namespace) -> dict:
    from . import latency

    return latency.run(args.shape, args.vocabulary, args.repository, args.work, args.documents, args.document_tokens)


def _card(args: argparse.Namespace) -> dict:
    from . import card

    args.output.write_text(card.render(json.loads(args.facts.read_text())))
    return {"output": str(args.output)}


def main(argv: "list[str] | None" = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 models/mini", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, call, description: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=description, description=description)
        sub.set_defaults(call=call)
        return sub

    sub = command("tokenizer", _tokenizer, "learn the vocabulary from Wikipedia's text")
    sub.add_argument("--wikipedia", type=Path, required=True, help="text with `= Title =` lines, plain or .zst")
    sub.add_argument("--output", type=Path, required=True, help="the sentencepiece model, NAME.model")
    sub.add_argument("--size", type=int, default=16384)
    sub.add_argument("--characters", type=int, default=40_000_000, help="how much of the text to learn from")

    sub = command("data", _data, "prepare the compressed token arrays that training reads")
    sub.add_argument("--wikipedia", type=Path, required=True)
    sub.add_argument("--vocabulary", type=Path, required=True, help="the sentencepiece model")
    sub.add_argument("--output", type=Path, required=True, help="a folder")
    sub.add_argument("--beir", type=Path, nargs="*", default=[], help="sets in BEIR's layout to train on")
    sub.add_argument("--pool", type=Path, nargs="*", default=[], help="JSON Lines of {query, docs, gold} to train on")
    sub.add_argument("--validation", type=Path, nargs="*", default=[], help="sets in BEIR's layout to watch; those not trained on are kept out of the training text")
    sub.add_argument("--held-out", type=float, default=0.15, help="share of the documents of each --beir set whose queries are not trained on")
    sub.add_argument("--tokens", type=int, default=20_000_000, help="tokens of Wikipedia text")
    sub.add_argument("--validation-queries", type=int, default=100)
    sub.add_argument("--seed", type=int, default=1)

    sub = command("train", _train, "one stage of training, from scratch or from a checkpoint")
    sub.add_argument("--data", type=Path, required=True)
    sub.add_argument("--output", type=Path, required=True, help="folder for the checkpoint and the log")
    sub.add_argument("--stage", choices=sorted(STAGES), required=True)
    sub.add_argument("--model", choices=sorted(MODELS), default="v2", help="shape, when training from scratch")
    sub.add_argument("--checkpoint", type=Path, help="go on from this one: a folder, or a .pt file of the first model")
    sub.add_argument("--resume", action="store_true", help="the checkpoint is of this very stage: take up step, optimizer and averages")
    sub.add_argument("--minutes", type=float, help="end the stage after so much time; the learning rate follows the time")
    sub.add_argument("--steps", type=int, help="end the stage after so many steps; the learning rate follows the steps")
    sub.add_argument("--stop-at", type=int, help="stop before the end of --steps, for a later --resume")
    sub.add_argument("--seed", type=int, default=1)
    sub.add_argument("--device", default="auto")
    sub.add_argument("--threads", type=int, default=1, help="of the CPU")
    sub.add_argument("--workers", type=int, default=0, help="processes that make prompts")
    sub.add_argument("--compile", choices=("off", "on", "auto"), default="off", help="auto: time both, keep the faster")
    sub.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto", help="auto: bf16 on a GPU, f32 on the CPU; bf16 is far faster on CPUs with AMX")
    sub.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw", help="muon needs PyTorch 2.9")
    sub.add_argument("--log-every", type=int, default=20)
    sub.add_argument("--full", type=Path, help="also keep optimizer and averages in this folder, for --resume or the next stage")
    sub.add_argument("--peers", type=int, default=1, help="processes that train one model together; start each with its own --peer")
    sub.add_argument("--peer", type=int, default=0, help="which of them this is, from 0; 0 writes the checkpoints")
    sub.add_argument("--meeting", default="127.0.0.1:29500", help="host:port where they meet")
    sub.add_argument("--meet-every", type=int, default=16, help="steps between averaging their weights; they stop there only")
    sub.add_argument("--smoke", type=float, default=0, help="seconds: only check that training runs on this machine, and how fast")

    sub = command("export", _export, "write a GGUF")
    sub.add_argument("--checkpoint", type=Path, required=True)
    sub.add_argument("--vocabulary", type=Path, required=True, help="sentencepiece model, or the .json that export of it made")
    sub.add_argument("--output", type=Path, required=True)
    sub.add_argument("--type", choices=("f32", "f16", "q8_0"), default="q8_0")
    sub.add_argument("--name", default="qrhead mini")

    sub = command("evaluate", _evaluate, "the quick validation: nDCG@10 of reranking BM25's best documents")
    sub.add_argument("--checkpoint", type=Path, required=True)
    sub.add_argument("--data", type=Path, required=True)
    sub.add_argument("--device", default="auto")
    sub.add_argument("--threads", type=int, default=1)
    sub.add_argument("--queries", type=int, default=100, help="of each set; 0 for none")
    sub.add_argument("--documents", type=int, default=30)
    sub.add_argument("--document-tokens", type=int, default=220)
    sub.add_argument("--independent", action="store_true", help="each document in a sequence of its own")
    sub.add_argument("--loss-steps", type=int, default=0, help="also the loss on so many steps of prompts that no run has drawn")
    sub.add_argument("--stage", choices=sorted(STAGES), default="cpu", help="of those prompts")

    sub = command("parity", _parity, "compare scores and tokens with those of the engine, through the command line")
    sub.add_argument("--checkpoint", type=Path, required=True)
    sub.add_argument("--vocabulary", type=Path, required=True)
    sub.add_argument("--repository", type=Path, default=Path(__file__).resolve().parents[3])
    sub.add_argument("--type", choices=("f32", "f16", "q8_0"), default="f16")
    sub.add_argument("--work", type=Path, required=True, help="folder for the exported file")
    sub.add_argument("--independent", action="store_true", help="each document in a sequence of its own (`--layout independent`)")

    sub = command("latency", _latency, "time a shape with random weights in the engine")
    sub.add_argument("--shape", choices=sorted(MODELS), default="v2")
    sub.add_argument("--vocabulary", type=Path, required=True)
    sub.add_argument("--repository", type=Path, default=Path(__file__).resolve().parents[3])
    sub.add_argument("--work", type=Path, required=True)
    sub.add_argument("--documents", type=int, default=30)
    sub.add_argument("--document-tokens", type=int, default=150)

    sub = command("card", _card, "write the model card from a file of facts")
    sub.add_argument("--facts", type=Path, required=True)
    sub.add_argument("--output", type=Path, required=True)

    args = parser.parse_args(argv)
    print(json.dumps(args.call(args)), flush=True)
    return 0
