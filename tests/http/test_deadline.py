"""A block's deadline ends it as asyncio's own does, and leaves a cancellation by somebody else alone."""

import asyncio

import pytest

from app.http.deadline import Deadline


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.01


@pytest.mark.parametrize("seconds", [-1, 0.01, 0.12])
async def test_what_runs_behind_it_ends_with_a_timeout(seconds: float) -> None:
    with pytest.raises(TimeoutError), Deadline(asyncio.get_running_loop().time() + seconds):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_ends_before_it_is_left_alone() -> None:
    with Deadline(soon()):
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)


async def test_one_inside_another_ends_alone() -> None:
    with Deadline(asyncio.get_running_loop().time() + 60):
        with pytest.raises(TimeoutError), Deadline(soon()):
            await asyncio.Event().wait()
        await asyncio.sleep(0)


async def test_several_tasks_end_each_at_its_own() -> None:
    async def wait(seconds: float) -> None:
        with Deadline(asyncio.get_running_loop().time() + seconds):
            await asyncio.Event().wait()

    late = asyncio.create_task(wait(60))
    with pytest.raises(TimeoutError):
        await asyncio.create_task(wait(0.12))
    assert not late.done()
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late


async def test_a_cancellation_by_somebody_else_stays_one_also_behind_the_deadline() -> None:
    async def wait() -> None:
        with Deadline(soon()):
            try:
                await asyncio.Event().wait()
            finally:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait())


async def test_a_block_that_ends_by_its_own_error_raises_that() -> None:
    with pytest.raises(KeyError), Deadline(soon()):
        raise KeyError
