"""Batches: the same from any number of processes, which end with the one that began them."""

from __future__ import annotations

import multiprocessing
from contextlib import closing

import numpy as np
import pytest
from msgspec.structs import replace

from tests.lab.tiny import elsewhere
from tests.models import bag
from worldgate.models.document import load_training
from worldgate.models.errors import WorkerEnded
from worldgate.models.pools import sample
from worldgate.models.source import Source, Walks, world
from worldgate.models.stream import Stream

FREE = replace(load_training(bag.TRAINING, "bag").source, share=3, noise=0.2, counterfactuals=1, balance=0.5)
FIXED = Source(batch=8, walks=(Walks("robot-cell", "everyday", (4, 5), 7),))


def stream(source: Source) -> Stream:
    return Stream(source, bag.made(bag.Config(), world(source).schema, sample(source, 3)), 3)


def data(batches) -> list[dict[str, bytes]]:
    return [{name: array.tobytes() for name, array in batch.items()} for batch in batches]


@pytest.mark.parametrize("source", [FREE, FIXED])
def test_workers_change_nothing(source: Source) -> None:
    made = stream(source)
    alone = data(made.batches(range(11)))
    assert len({str(one) for one in alone}) == 11
    assert data(made.batches(range(11), workers=2)) == alone
    assert data([stream(source).batch(number) for number in (10, 4)]) == [alone[10], alone[4]]
    assert data(made.batches([2, 3, 9], workers=1)) == [alone[2], alone[3], alone[9]]


CODE = """
import os, signal, sys
from contextlib import closing
from tests.models.test_stream import FREE, data, stream

if __name__ == "__main__":
    made = stream(FREE)
    if sys.argv[1] == "batches":
        print(data(made.batches(range(2))))
        assert "torch" not in sys.modules
    else:
        import multiprocessing
        batches = made.batches(range(100), 2)
        next(batches)
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_hash_seeds_change_nothing_and_torch_is_not_needed() -> None:
    said = {elsewhere(CODE, "batches", env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert said == {f"{data(stream(FREE).batches(range(2)))}\n"}


def test_workers_end_with_the_process_that_began_them() -> None:
    ran = elsewhere(CODE, "killed")
    assert ran.returncode == -9  # and it came back: nobody else holds its output open
    assert len(ran.stdout.split()) == 2


def test_a_killed_worker_is_a_numbered_error() -> None:
    with closing(stream(FREE).batches(range(10_000), workers=2)) as batches:
        next(batches)
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(WorkerEnded, match=r"WG511.*Resume"):
            for _ in batches:
                pass


def test_no_more_is_made_than_is_soon_wanted() -> None:
    made, asked = stream(FIXED), []

    def numbers():
        for number in range(10_000):
            asked.append(number)
            yield number

    with closing(made.batches(numbers(), workers=1)) as batches:
        assert isinstance(next(batches)["features"], np.ndarray)
    assert len(asked) <= 8 * 4
    assert not multiprocessing.active_children()
