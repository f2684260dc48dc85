"""Several processes that train one model, each on prompts of its own: their weights are averaged every few steps.

Local SGD (Stich, 2019): on a CPU two processes of one thread each read nearly twice what one of two threads does.
"""

from typing import Protocol

import torch
import torch.distributed as distributed


class Averaged(Protocol):
    """What the processes average: the weights, their running averages and the learned temperature."""

    model: torch.nn.Module
    average: dict[str, torch.Tensor]
    temperature: torch.nn.Parameter


class Peers:
    """Process `peer` of `peers`, which meet at `address` (`host:port`) every `every` steps."""

    def __init__(self, address: str, peer: int, peers: int, every: int):
        self.peers, self.every = peers, every
        distributed.init_process_group("gloo", init_method=f"tcp://{address}", rank=peer, world_size=peers)

    def meets(self, step: int) -> bool:
        return step % self.every == 0

    def average(self, trainer: Averaged) -> None:
        """Gives every process the mean of all weights, running averages and temperatures."""
        tensors = [*(p.data for p in trainer.model.parameters()), *trainer.average.values(), trainer.temperature.data]
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.peers
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(part.view_as(tensor))

    def any(self, value: bool) -> bool:
        """Whether it is so for any process: what ends one must end all, or they wait for each other."""
        flag = torch.tensor(float(value))
        distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
        return bool(flag)
