"""The sandbox ends when it is told to, whatever it is doing."""

import asyncio

import pytest

from ibhxh_sandbox.server import Options, Sandbox


@pytest.mark.parametrize("turns", range(6))
def test_a_stop_ends_the_background_work_whatever_woke_it_just_before(data_file, turns):
    """`turns` of the event loop between a piece of work and the stop: one of them used to lose the stop."""

    async def start_work_stop():
        sandbox = Sandbox(Options(clients={}, data=data_file))
        background = sandbox.background(None)
        await anext(background)
        await asyncio.sleep(0)  # let it begin to wait for work
        await sandbox.run(lambda: None)
        for _ in range(turns):
            await asyncio.sleep(0)
        stopping = asyncio.ensure_future(anext(background, "ended"))
        done, _ = await asyncio.wait([stopping], timeout=60)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return {task.result() for task in done}

    assert asyncio.run(start_work_stop()) == {"ended"}
