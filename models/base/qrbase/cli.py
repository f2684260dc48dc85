"""The commands. Every one prints lines of JSON."""

import argparse
import json
import random
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
BASE = REPOSITORY / ".cache" / "base" / "untuned.gguf"


def _heads(text: str) -> "list[tuple[int, int]]":
    pairs = [tuple(map(int, part.split("-"))) for part in text.split(",")]
    return sorted(pairs)


def _shown(heads) -> str:
    return ",".join(f"{layer}-{head}" for layer, head in heads)


def _groups(folder: Path):
    from .data import Group

    return [Group.load(path) for path in sorted(folder.glob("*.json"))]


def _model(given):
    import torch

    from .backbone import Backbone
    from .words import Words

    torch.set_num_threads(given.threads)
    dtype = torch.bfloat16 if given.precision == "bf16" else torch.float32
    return Words.of(given.model), Backbone.load(given.model, dtype=dtype)


def prepare(given) -> None:
    from .data import prepare as run

    share, shares = map(int, given.share.split("/"))
    print(json.dumps({"done": run(given.train, given.groups, given.only, given.passages, share, shares)}))


def probe(given) -> None:
    from .probe import collect

    words, model = _model(given)
    collect(model, words, _groups(given.groups), given.output, given.prompts, given.first, given.seed)


def choose(given) -> None:
    from .probe import read, select

    for line in select(read(given.lines), given.most):
        print(json.dumps(line))


def train(given) -> None:
    from .sampler import Sampler
    from .train import Settings, Trainer

    words, model = _model(given)
    settings = Settings(
        heads=_heads(given.heads), first=given.first, rank=given.rank, minutes=given.minutes, rate=given.rate,
        prompts=given.prompts, seed=given.seed,
    )
    peers = None
    if given.peers > 1:
        from qrmini.peers import Peers

        peers = Peers(given.address, given.peer, given.peers, given.every)
    low, high = given.tokens
    sampler = Sampler(words, _groups(given.groups), 1000 * given.seed + given.peer, (low, high), given.most)
    trainer = Trainer(model, sampler, settings, given.output, peers)
    if given.resume:
        trainer.resume(given.resume)
    trainer.run(given.peer)


def features(given) -> None:
    from .features import collect

    words, model = _model(given)
    share, shares = map(int, given.share.split("/"))
    low, high = given.tokens
    collect(model, words, _groups(given.groups), given.output, given.prompts, given.seed, (low, high), given.most, (share, shares))


def deepest(given) -> None:
    import torch

    from .deepest import Deepest, held_out, of_prompts, tune

    _, model = _model(given)
    heads, tuned = _heads(given.heads), Deepest(model, given.rank, given.seed)
    files = sorted(given.features.glob("train-*.pt"))
    random.Random(0).shuffle(files)
    apart, files = files[: given.apart], files[given.apart :]
    held = sorted(given.features.glob("held-*.pt"))

    def measure(share: float) -> None:
        found, prompts = held_out(tuned, held, heads, share), of_prompts(tuned, apart, heads, share)
        gain = found["heads"] - found["bm25"]
        means = {name: round(float(values.mean()), 4) for name, values in found.items()}
        print(json.dumps({"share": share, "pools": len(held), **means, "error": round(float(gain.std() / len(gain) ** 0.5), 4), **prompts}), flush=True)

    measure(0.0)
    tune(tuned, files, heads, given.epochs, given.rate, given.batch, given.seed, lambda line: print(line, flush=True))
    for share in (0.5, 0.75, 1.0, 1.25):
        measure(share)
    facts = {"rank": given.rank, "heads": given.heads, "prompts": len(files), "epochs": given.epochs, "rate": given.rate, "seed": given.seed}
    torch.save({"adapter": tuned.adapter(), "settings": facts}, given.output)


def kept(given) -> None:
    from .deepest import Deepest
    from .kept import rank

    _, model = _model(given)
    tuned = None
    if given.checkpoint:
        import torch

        saved = torch.load(given.checkpoint, weights_only=False)
        tuned = Deepest(model, saved["settings"]["rank"], 0)
        tuned.set(saved["adapter"])
    print(json.dumps({"ranked": rank(tuned, given.features, given.output, _sets(given.variants))}))


def _sets(texts):
    """`NAME=SHARE:HEADS` … as name → (share of the adapter, heads)."""
    sets = {}
    for text in texts:
        name, _, rest = text.partition("=")
        share, _, heads = rest.partition(":")
        sets[name] = (float(share), _heads(heads))
    return sets


def _variants(given):
    """The model with the adapter of a checkpoint, and what is asked of it."""
    import torch

    from .scoring import Variants

    words, model = _model(given)
    if given.checkpoint:
        model.set_adapter(torch.load(given.checkpoint, weights_only=False)["adapter"])
    return Variants(model, words, _sets(given.variants))


def validate(given) -> None:
    from .validate import collect, pools_of

    collect(_variants(given), pools_of(_groups(given.groups), given.per_file, given.candidates), given.orders, given.output)
    summary(given)


def summary(given) -> None:
    from .validate import summarise

    for line in summarise([json.loads(line) for line in given.output.read_text().splitlines()]):
        print(json.dumps(line))


def evaluate(given) -> None:
    from .evaluate import rank

    from .data import read_lines

    rank(_variants(given), read_lines(given.candidates), given.output, given.orders, given.each)


def adapter(given) -> None:
    import torch

    from .export import write_adapter

    saved = torch.load(given.checkpoint, weights_only=False)
    size = write_adapter(given.output, saved["adapter"], saved["settings"]["rank"], given.scale, given.name)
    print(json.dumps({"output": str(given.output), "bytes": size, **saved["settings"]}, default=str))


def merge(given) -> None:
    from .export import read_adapter, write_merged

    _, model = _model(given)
    if given.adapter:
        values, model.share = read_adapter(given.adapter)
        model.set_adapter(values)
    write_merged(given.model, given.output, model)


def parity(given) -> None:
    from .parity import run

    print(json.dumps(run(given.model, REPOSITORY, _heads(given.heads), given.tolerance)))


def main(arguments: "list[str] | None" = None) -> int:
    parser = argparse.ArgumentParser(prog="models/base", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(run, text: str, model: bool = True):
        one = commands.add_parser(run.__name__, help=text)
        one.set_defaults(run=run)
        if model:
            one.add_argument("--model", type=Path, default=BASE)
            one.add_argument("--threads", type=int, default=1)
            one.add_argument("--precision", choices=["f32", "bf16"], default="f32")
        return one

    one = command(prepare, "question files to groups with BM25's neighbours", model=False)
    one.add_argument("--train", type=Path, required=True)
    one.add_argument("--groups", type=Path, required=True)
    one.add_argument("--only", nargs="*")
    one.add_argument("--passages", type=int, default=3000)
    one.add_argument("--share", default="0/1", help="K/N: the K-th of N processes")

    one = command(probe, "what every head gives to documents of shuffled training prompts")
    one.add_argument("--groups", type=Path, required=True)
    one.add_argument("--output", type=Path, required=True)
    one.add_argument("--prompts", type=int, default=30)
    one.add_argument("--first", type=int, default=8, help="first layer")
    one.add_argument("--seed", type=int, default=1)

    one = command(choose, "which heads rank, from the lines of probe", model=False)
    one.add_argument("lines", nargs="+", type=Path)
    one.add_argument("--most", type=int, default=10)

    one = command(train, "tunes adapters")
    one.add_argument("--groups", type=Path, required=True)
    one.add_argument("--output", type=Path, required=True)
    one.add_argument("--heads", required=True)
    one.add_argument("--minutes", type=float, required=True)
    one.add_argument("--first", type=int, default=10, help="first layer that learns")
    one.add_argument("--rank", type=int, default=16)
    one.add_argument("--rate", type=float, default=1e-3)
    one.add_argument("--prompts", type=int, default=3, help="prompts of a step")
    one.add_argument("--tokens", type=int, nargs=2, default=[600, 2000])
    one.add_argument("--most", type=int, default=10, help="questions of a prompt")
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--resume", type=Path)
    one.add_argument("--peers", type=int, default=1)
    one.add_argument("--peer", type=int, default=0)
    one.add_argument("--every", type=int, default=4, help="steps between two averages")
    one.add_argument("--address", default="127.0.0.1:29531")

    one = command(features, "what the deepest layer reads, for training it alone")
    one.add_argument("--groups", type=Path, required=True)
    one.add_argument("--output", type=Path, required=True)
    one.add_argument("--prompts", type=int, default=1000)
    one.add_argument("--tokens", type=int, nargs=2, default=[600, 1800])
    one.add_argument("--most", type=int, default=16, help="questions of a prompt")
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--share", default="0/1", help="K/N: the K-th of N processes takes every N-th held-out pool")

    one = command(deepest, "tunes queries and keys of the deepest layer on kept features")
    one.add_argument("--features", type=Path, required=True)
    one.add_argument("--output", type=Path, required=True)
    one.add_argument("--heads", required=True)
    one.add_argument("--apart", type=int, default=25, help="prompts that are measured and not trained on")
    one.add_argument("--epochs", type=int, default=9)
    one.add_argument("--rate", type=float, default=2e-3)
    one.add_argument("--batch", type=int, default=2)
    one.add_argument("--rank", type=int, default=32)
    one.add_argument("--seed", type=int, default=1)

    one = command(kept, "rankings of kept evaluation queries")
    one.add_argument("variants", nargs="+", help="NAME=SHARE:HEADS")
    one.add_argument("--features", type=Path, required=True)
    one.add_argument("--checkpoint", type=Path)
    one.add_argument("--output", type=Path, required=True)

    one = command(validate, "nDCG@10 and order on held-out training questions")
    one.add_argument("variants", nargs="+", help="NAME=SHARE:HEADS")
    one.add_argument("--groups", type=Path, required=True)
    one.add_argument("--checkpoint", type=Path)
    one.add_argument("--per-file", type=int, default=4)
    one.add_argument("--candidates", type=int, default=10)
    one.add_argument("--orders", type=int, default=2, help="random orders of each pool")
    one.add_argument("--output", type=Path, required=True)

    one = command(summary, "the same of what is there", model=False)
    one.add_argument("--output", type=Path, required=True)

    one = command(evaluate, "candidates of an evaluation in several orders")
    one.add_argument("variants", nargs="+", help="NAME=SHARE:HEADS")
    one.add_argument("--checkpoint", type=Path)
    one.add_argument("--candidates", type=Path, required=True, help="lines of scripts/base/candidates.ts")
    one.add_argument("--orders", nargs="+", default=["last", "first", "random"])
    one.add_argument("--each", type=int, default=25, help="queries of a set")
    one.add_argument("--output", type=Path, required=True)

    one = command(adapter, "a checkpoint to the file that the repository keeps", model=False)
    one.add_argument("--checkpoint", type=Path, required=True)
    one.add_argument("--scale", type=float, required=True, help="share of the way from the base weights to the tuned ones")
    one.add_argument("--name", required=True)
    one.add_argument("--output", type=Path, required=True)

    one = command(merge, "a GGUF in float32, with an adapter or without")
    one.add_argument("--adapter", type=Path)
    one.add_argument("--output", type=Path, required=True)

    one = command(parity, "a file in the engine against PyTorch")
    one.add_argument("--heads", required=True)
    one.add_argument("--tolerance", type=float, default=1e-3, help="of scores; Q8_0 rounds what it multiplies with to 8 bits")

    given = parser.parse_args(arguments)
    given.run(given)
    return 0
