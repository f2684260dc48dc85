"""Batches of training, made by worker processes and carried to the device ahead of their use."""

import random
from dataclasses import dataclass

import torch

from .packed import Batch, Parcel, pack
from .pick import Picker
from .store import Store


@dataclass
class Settings:
    #: Time of the run, without reading and saving, and the full learning rate.
    seconds: float
    rate: float
    #: Context tokens of a step, over all its prompts; their number is a guess from characters.
    step_tokens: int = 49152
    #: Bounds of a prompt's documents, in tokens.
    tokens: "tuple[int, int]" = (350, 5000)
    #: Share of steps whose documents stand apart, and of those that read the same prompts in both layouts.
    independent: float = 0.35
    both: float = 0.2
    #: Share of the time in which the rate rises, and what is left of it at the end.
    warmup: float = 0.05
    floor: float = 0.02
    seed: int = 1
    #: Share of the teacher in the loss, where there is one.
    teacher: float = 0.5
    workers: int = 12


class Steps(torch.utils.data.IterableDataset):
    """Batches without end: for each store a parcel in every layout of the step.

    A step depends on the seed and its number alone, not on how many processes make them.
    """

    def __init__(self, groups, stores: "list[Store]", settings: Settings, first: int = 0):
        self.picker, self.stores, self.settings, self.first = Picker(groups), stores, settings, first

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        number, stride = self.first + (info.id if info else 0), info.num_workers if info else 1
        while True:
            yield self.make(number)
            number += stride

    def make(self, number: int) -> "list[list[Parcel]]":
        given, r = self.settings, random.Random(f"{self.settings.seed}/{number}")
        low, high = given.tokens
        size = low * (high / low) ** r.random()
        prompts, total = [], 0.0
        while total < given.step_tokens:
            prompts.append(self.picker.pick(r, (size, 1.2 * size)))
            total += prompts[-1].size
        draw = r.random()
        layouts = [False, True] if draw < given.both else [draw < given.both + given.independent]
        if len(layouts) == 2:
            prompts = prompts[: len(prompts) // 2 + 1]
        return [[pack(store, prompts, layout).parcel() for layout in layouts] for store in self.stores]


def _same(batch):
    return batch


def loader(steps: Steps, pin: bool = False):
    """The steps in order of their numbers. @param pin Whether a thread copies them into memory that a GPU reads by itself."""
    workers = steps.settings.workers
    parallel = {"prefetch_factor": 4} if workers else {}
    return torch.utils.data.DataLoader(steps, batch_size=None, num_workers=workers, collate_fn=_same, pin_memory=pin, **parallel)


def ahead(parcels, device: torch.device):
    """Lists of batches on the device. On a GPU the next ones are copied while the last ones are computed with."""
    opened = lambda stores: [[parcel.open(device) for parcel in layouts] for layouts in stores]  # noqa: E731
    if device.type != "cuda":
        yield from map(opened, parcels)
        return
    stream, waiting = torch.cuda.Stream(device), None
    for stores in parcels:
        with torch.cuda.stream(stream):
            batches = opened(stores)
            copied = stream.record_event()
        if waiting:
            yield _arrived(*waiting)
        waiting = batches, copied


def _arrived(stores: "list[list[Batch]]", copied) -> "list[list[Batch]]":
    """What was copied, for the stream that computes; its memory is not given to others before that has used it."""
    current = torch.cuda.current_stream()
    current.wait_event(copied)
    for batch in (batch for layouts in stores for batch in layouts):
        for tensor in vars(batch).values():
            tensor.record_stream(current)
    return stores
