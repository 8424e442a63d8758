"""The ceiling: how much of the bare forward and backward rate is left in our loop. `python -P lora_ceiling.py spec.json`.

In as many processes as a run would have, on the same batches, step by step in turn and each first every other time, so that a
busy machine is busy for both: only the loss and its gradient on a batch collated beforehand (each process its share), and a whole
step of the loop (collating, summing gradients, clipping, AdamW, its event). All begin each of the two together. A
bare batch is done when the slowest process is; the rate of the mean process, as if none waited for another, is given beside. The
first step, in which torch chooses its kernels, is not counted.
"""

import json
import sys
import time
from pathlib import Path

from lora.batches import collate
from lora.events import Events, StopSignal
from lora.run import _loop, _sampler, join_group, load_material
from lora.spec import read_spec


def bare_seconds(loop, batch):
    """Of each process."""
    loop.group.total(0)
    began = time.perf_counter()
    with loop.hardware.autocast(loop.hardware.steps):
        loss = loop.objective.loss_sum(batch) / batch.weight
    loss.backward()
    seconds = time.perf_counter() - began
    loop.state.model.zero_grad(set_to_none=True)
    group = loop.group
    return [group.total(seconds if group.rank == rank else 0) for rank in range(group.size)]


def whole_seconds(loop):
    loop.group.total(0)
    began = time.perf_counter()
    loop._train_step()
    return time.perf_counter() - began


def main():
    spec, events, stop = read_spec(Path(sys.argv[1])), Events(), StopSignal()
    group = join_group(spec, events)
    material = load_material(spec, events, stop, group)
    loop = _loop(spec, material, events, stop, _sampler(material, stop))
    tokens, bare, mean, whole = 0, 0.0, 0.0, 0.0
    for step in range(loop.plan.total_steps):
        (whole_batch,) = loop._rows_of_step(step)
        numbers = group.share(whole_batch, loop.plan.lengths)
        batch = collate([material.train.examples[number] for number in numbers], material.pad_id, material.max_length)
        material.model.train()
        if step % 2:
            this_bare, this_whole = bare_seconds(loop, batch), whole_seconds(loop)
        else:
            this_whole, this_bare = whole_seconds(loop), bare_seconds(loop, batch)
        if step:
            tokens += sum(len(material.train.examples[number]) for number in whole_batch)
            bare, mean = bare + max(this_bare), mean + sum(this_bare) / group.size
            whole += this_whole
    measured = {"bare_tokens_per_second": tokens / bare, "tokens_per_second": tokens / whole}
    measured["bare_tokens_per_second_of_the_mean"] = tokens / mean
    if group.leads:
        Path("peer.json").write_text(json.dumps(measured), encoding="utf-8")
    group.broadcast(True)
    group.end()


if __name__ == "__main__":
    main()
