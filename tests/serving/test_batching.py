import asyncio
import concurrent.futures
import threading

import numpy as np
import pytest
import tensorflow as tf

from kerasnets.serving import ServerConfig
from kerasnets.serving.batching import Batcher
from kerasnets.serving.status import RequestError


class Doubler:
    """Doubles x, remembers its batches, refuses what is below zero, waits to be let go."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, inputs):
        assert self.go.wait(30)
        self.batches.append(inputs["x"].tolist())
        tf.debugging.assert_non_negative(inputs["x"], "x is negative")
        return {"y": 2 * inputs["x"]}


def run(test, **limits):
    """Runs a coroutine with a batcher."""
    doubler = Doubler()

    async def main():
        config = ServerConfig(**{"batch_threads": 1, "batch_timeout_ms": 20, **limits})
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            try:
                return await test(Batcher(doubler, pool, config, batched=True), doubler)
            finally:
                doubler.go.set()

    return asyncio.run(main())


def submit(batcher, *values, pixels=0):
    x = np.array(values, np.float32)
    return asyncio.ensure_future(batcher.submit({"x": x}, [pixels] * len(x)))


def test_requests_share_batches_and_get_their_own_rows():
    async def test(batcher, doubler):
        answers = await asyncio.gather(*(submit(batcher, n, n + 1) for n in range(0, 12, 2)))
        assert [answer["y"].tolist() for answer in answers] == [
            [2 * n, 2 * n + 2] for n in range(0, 12, 2)
        ]
        assert [len(batch) for batch in doubler.batches] == [8, 4]

    run(test, max_batch=8)


def test_a_lone_request_waits_no_longer_than_the_timeout():
    async def test(batcher, doubler):
        answer = await asyncio.wait_for(submit(batcher, 3), 10)
        assert answer["y"].tolist() == [6]

    run(test, max_batch=8, batch_timeout_ms=1)


def test_a_long_request_is_split_and_joined():
    async def test(batcher, doubler):
        answer = await submit(batcher, *range(10))
        assert answer["y"].tolist() == list(range(0, 20, 2))
        assert [len(batch) for batch in doubler.batches] == [4, 4, 2]

    run(test, max_batch=4)


def test_a_batch_holds_no_more_pixels_than_allowed():
    async def test(batcher, doubler):
        await asyncio.gather(*(submit(batcher, 1, pixels=400) for _ in range(5)))
        await submit(batcher, 1, 1, 1, pixels=600)
        assert [len(batch) for batch in doubler.batches] == [2, 2, 1, 1, 1, 1]

    run(test, max_batch=8, max_pixels=1000)


def test_tensors_of_other_shapes_wait_for_their_own_batch():
    async def test(batcher, doubler):
        flat, deep = (np.ones((1, *shape), np.float32) for shape in ((2,), (2, 2)))
        tasks = [batcher.submit({"x": x}, [0]) for x in (flat, deep, flat)]
        answers = await asyncio.gather(*tasks)
        assert [answer["y"].shape for answer in answers] == [(1, 2), (1, 2, 2), (1, 2)]
        assert sorted(len(batch) for batch in doubler.batches) == [1, 2]

    run(test)


def test_only_the_request_that_fails_fails():
    async def test(batcher, doubler):
        tasks = [submit(batcher, -1 if n == 5 else n) for n in range(8)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        error = answers.pop(5)
        assert isinstance(error, RequestError)
        assert error.code == "INVALID_ARGUMENT"
        assert "x is negative" in error.message
        assert [answer["y"].tolist() for answer in answers] == [[0], [2], [4], [6], [8], [12], [14]]

    run(test)


def test_a_full_queue_refuses():
    async def test(batcher, doubler):
        doubler.go.clear()
        first = submit(batcher, 0)
        await asyncio.sleep(0.1)  # its batch has started
        waiting = [submit(batcher, 1, 2), submit(batcher, 3, 4)]
        await asyncio.sleep(0)
        assert batcher.queued == 4
        with pytest.raises(RequestError, match="queue to which this task was submitted is full"):
            await submit(batcher, 5)
        with pytest.raises(RequestError, match="Task size 5 is larger than the batch") as wrong:
            await submit(batcher, 1, 2, 3, 4, 5)
        assert wrong.value.http_code == 400
        doubler.go.set()
        assert [answer["y"].tolist() for answer in await asyncio.gather(*waiting)] == [
            [2, 4],
            [6, 8],
        ]
        await first

    run(test, max_queue=4)


def test_a_request_that_is_given_up_leaves_the_queue():
    async def test(batcher, doubler):
        doubler.go.clear()
        first = submit(batcher, 0)
        await asyncio.sleep(0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(submit(batcher, 1), 0.05)
        assert batcher.queued == 0
        doubler.go.set()
        await first
        assert (await submit(batcher, 2))["y"].tolist() == [4]
        assert doubler.batches == [[0], [2]]

    run(test)
