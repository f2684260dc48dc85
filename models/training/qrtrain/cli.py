"""The commands. Every one prints lines of JSON."""

import argparse
import json
import sys
import time
from dataclasses import fields
from pathlib import Path

from .errors import InputError, existing
from .rate import LIMIT, ORDERS
from .steps import Settings


def show(**values) -> None:
    print(json.dumps(values), flush=True)


def prepare(given) -> None:
    from .data import prepare as run

    existing(given.train, "--train", ".jsonl*")
    show(done=run(given.train, given.groups, given.only, given.passages, given.processes))


def encyclopedia(given) -> None:
    from .encyclopedia import prepare as run

    apart = [existing(path, "--apart") for path in given.apart]
    show(passages=run(existing(given.text, "--text"), given.groups, apart, given.count, given.passages, given.seed))


def pools(given) -> None:
    from .data import Group
    from .pools import write_pools

    show(**write_pools(Group.load_all(existing(given.groups, "--groups", ".json"), given.only), given.output, given.per_group, given.candidates))


def tune(given) -> None:
    from .tune import tune as run

    settings = Settings(**{f.name: getattr(given, f.name) for f in fields(Settings)})
    settings.tokens = tuple(settings.tokens)
    teacher = tuple(given.teacher_model) if given.teacher_model else None
    facts = run(
        given.start, existing(given.groups, "--groups", ".json"), given.output, settings, given.rank, teacher, given.wait,
        given.source, given.state, given.only,
    )
    show(**facts)


def rate(given) -> None:
    import torch

    from .checkpoint import open_model
    from .rate import rate_lines

    existing(given.lines, "--lines")
    began = time.monotonic()
    opened = open_model(given.start, given.checkpoint, device=torch.device("cuda" if torch.cuda.is_available() else "cpu"), precision=given.precision)
    for share in given.shares:
        count = rate_lines(opened, given.lines, given.output, given.orders, share)
    show(rated=count, orders=given.orders, shares=given.shares, seconds=round(time.monotonic() - began, 1))


def summary(given) -> None:
    from .summary import summarise

    for line in summarise([existing(path, "the rated lists") for path in given.rated], existing(given.lines, "--lines"), given.sets):
        show(**line)


def adapter(given) -> None:
    from .checkpoint import open_model
    from .export import write_adapter

    opened = open_model(given.start, given.checkpoint)
    if opened.model.rank is None:
        raise InputError(f"Expected a checkpoint with low-rank changes but {given.checkpoint} has every weight; see `export`")
    show(output=str(given.output), bytes=write_adapter(given.output, opened.model, given.name, given.share), **opened.facts)


def export(given) -> None:
    from .checkpoint import open_model
    from .export import write_model

    opened = open_model(given.start, given.checkpoint)
    opened.model.share = given.share
    entries = {"general.name": given.name}
    for text in given.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"Expected KEY=VALUE for --set but received {text}")
        entries[key] = value
    show(output=str(given.output), bytes=write_model(given.output, given.start, opened.model, entries, given.exact), **opened.facts)


def parity(given) -> None:
    from .parity import run

    for line in run(existing(given.model, "--model"), given.tolerance):
        show(**line)


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Says defaults where there are any."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False, []) else super()._get_help_string(action)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models/training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(run, text: str, *required: str):
        one = commands.add_parser(run.__name__, help=text, formatter_class=_Help)
        one.set_defaults(run=run)
        for name in required:
            one.add_argument(f"--{name}", type=Path, required=True)
        return one

    one = command(prepare, "question files to groups with BM25's neighbours", "train", "groups")
    one.add_argument("--only", nargs="+", help="names of files")
    one.add_argument("--passages", type=int, default=20000, help="of a file, at most")
    one.add_argument("--processes", type=int, default=1)

    one = command(encyclopedia, "articles to groups with made-up questions", "text", "groups")
    one.add_argument("--apart", type=Path, nargs="+", default=[], help="JSON lines whose texts no article may share 13 words in a row with")
    one.add_argument("--count", type=int, default=6, choices=range(1, 7), help="groups")
    one.add_argument("--passages", type=int, default=9000, help="of a group")
    one.add_argument("--seed", type=int, default=1)

    one = command(pools, "held-out questions with candidates, with an answer among them and without", "groups", "output")
    one.add_argument("--only", nargs="+", help="names of groups")
    one.add_argument("--per-group", type=int, default=12)
    one.add_argument("--candidates", type=int, default=10)

    one = command(tune, "trains a low-rank change (--rank) or every weight", "start", "groups", "output")
    one.add_argument("--rank", type=int, help="of the change; without it every weight is learnt")
    one.add_argument("--teacher-model", type=Path, nargs=2, metavar=("GGUF", "CHECKPOINT"), help="whose distribution of documents is learnt as well")
    one.add_argument("--wait", action="store_true", help="until the teacher's checkpoint is there")
    one.add_argument("--source", type=Path, help="a checkpoint to begin with")
    one.add_argument("--state", type=Path, help="keeps the run in this file, and goes on from it")
    one.add_argument("--only", nargs="+", help="names of groups")
    one.add_argument("--seconds", type=float, required=True)
    one.add_argument("--rate", type=float, required=True, help="learning rate")
    for name, text in (
        ("step-tokens", "context tokens of a step"), ("independent", "share of steps whose documents are read apart"),
        ("both", "share of steps in both layouts"), ("warmup", "share of the time in which the rate rises"), ("floor", "share of the rate that is left"),
        ("seed", "of prompts and of what changes begin with"), ("teacher", "share of the teacher in the loss"), ("workers", "processes that make prompts"),
    ):
        default = getattr(Settings, name.replace("-", "_"))
        one.add_argument(f"--{name}", type=type(default), default=default, help=text)
    one.add_argument("--tokens", type=int, nargs=2, default=list(Settings.tokens), metavar=("LOW", "HIGH"), help="of a prompt's documents")

    one = command(rate, f"scores of lists of candidates, documents of up to {LIMIT} tokens", "start", "lines", "output")
    one.add_argument("--checkpoint", type=Path)
    one.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS), help="apart: the independent layout")
    one.add_argument("--shares", type=float, nargs="+", default=[1.0], help="of the way from the released weights to the tuned ones")
    one.add_argument("--precision", choices=["bf16", "f32"], default="bf16")

    one = command(summary, "nDCG@10 alone and fused, and what odds tell, of rated lists", "lines")
    one.add_argument("rated", nargs="+", type=Path)
    one.add_argument("--sets", action="store_true", help="means over sets, and each set")

    one = command(adapter, "a checkpoint with low-rank changes to llama.cpp's format, half precision", "start", "checkpoint", "output")
    one.add_argument("--name", required=True)
    one.add_argument("--share", type=float, default=1.0)

    one = command(export, "a checkpoint to a GGUF, every tensor in the type it has in --start", "start", "checkpoint", "output")
    one.add_argument("--name", required=True)
    one.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="metadata; no value takes the entry away")
    one.add_argument("--share", type=float, default=1.0, help="of low-rank changes")
    one.add_argument("--exact", action="store_true", help="everything in float32")

    one = command(parity, "a file in the engine against PyTorch, both layouts", "model")
    one.add_argument("--tolerance", type=float, default=1e-2, help="of scores; Q8_0 rounds what it multiplies with to 8 bits")
    return parser


def main(arguments: "list[str] | None" = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except InputError as error:
        print(f"models/training {given.command}: {error}", file=sys.stderr)
        return 1
    return 0
