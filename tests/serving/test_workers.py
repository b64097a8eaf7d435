"""Calls in processes of their own, which are real ones here."""

import asyncio
import os
import signal
import time

import pytest

from kerasnets.serving import json_tensors
from kerasnets.serving.status import RequestError
from kerasnets.serving.workers import PROCESSES, Workers


def run(test):
    async def main():
        workers = Workers()
        try:
            return await test(workers)
        finally:
            await workers.close()

    return asyncio.run(main())


def test_results_errors_and_large_arguments_come_through():
    async def test(workers):
        body = b" " * 3_000_000 + b'{"a": [1, NaN]}'
        parsed = await workers.call(json_tensors.parse, body)
        assert list(parsed) == ["a"]
        with pytest.raises(RequestError, match="JSON Parse error") as found:
            await workers.call(json_tensors.parse, b"[")
        assert (found.value.code, found.value.http_code) == ("INVALID_ARGUMENT", 400)
        # The process that has refused one call answers the next.
        assert await workers.call(os.getpid) == await workers.call(os.getpid) != os.getpid()
        return await workers.call(bytes, 3_000_000)

    assert run(test) == bytes(3_000_000)


def test_no_framework_is_loaded_by_reading():
    async def test(workers):
        await workers.call(json_tensors.read_predict, b'{"inputs": 1}', {}, 10)
        return await workers.call(eval, "[*__import__('sys').modules]")

    assert not {"tensorflow", "keras"} & set(run(test))


def test_a_call_that_is_given_up_ends_its_process():
    async def test(workers):
        process = await workers.call(os.getpid)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await workers.call(time.sleep, 60)
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        return process != await workers.call(os.getpid)

    assert run(test)


def test_the_end_of_a_process_ends_one_call_alone():
    async def test(workers):
        with pytest.raises(RequestError) as found:
            await workers.call(os.abort)
        assert found.value.http_code == 503
        process = await workers.call(os.getpid)
        os.kill(process, signal.SIGKILL)
        with pytest.raises(RequestError):
            await workers.call(os.getpid)
        return await workers.call(len, b"four")

    assert run(test) == 4


def test_calls_beyond_the_processes_wait():
    async def test(workers):
        calls = [workers.call(os.getpid) for _ in range(3 * PROCESSES)]
        return set(await asyncio.gather(*calls))

    assert 1 <= len(run(test)) <= PROCESSES


def test_processes_end_with_the_one_that_has_started_them():
    async def test(workers):
        return await workers.call(os.getpid)

    process = run(test)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
