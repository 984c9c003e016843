"""Who may compute when."""

import asyncio
import threading
import time

import pytest

from yoto.errors import YotoError
from yoto.web.desk import Desk
from yoto.web.errors import BusyError


@pytest.fixture
def desk():
    made = Desk(places=3)
    yield made
    made.close()


def start(desk, client, job, gone=None):
    return asyncio.create_task(desk.run(client, job, gone))


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not come about.")


def test_a_job_gives_its_result(desk):
    assert asyncio.run(desk.run("a", lambda: 41 + 1)) == 42
    assert not desk.clients


def test_a_job_runs_in_a_thread_of_the_desk(desk):
    assert asyncio.run(desk.run("a", lambda: threading.current_thread().name)).startswith("yoto-job")


def test_a_client_has_one_job_at_a_time(desk):
    async def run():
        hold = threading.Event()
        first = start(desk, "a", hold.wait)
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="still being computed") as caught:
            await desk.run("a", lambda: 1)
        assert caught.value.seconds == 1
        hold.set()
        assert await first
        assert await desk.run("a", lambda: 1) == 1

    asyncio.run(run())


def test_a_full_queue_refuses_at_once(desk):
    async def run():
        hold = threading.Event()
        waiting = [start(desk, name, hold.wait) for name in "abc"]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="Too many people") as caught:
            await desk.run("d", lambda: 1)
        assert caught.value.seconds == 2
        hold.set()
        assert all(await asyncio.gather(*waiting))
        assert await desk.run("d", lambda: 1) == 1

    asyncio.run(run())


def test_jobs_wait_for_their_turn_in_order(desk):
    done = []

    async def run():
        hold = threading.Event()
        jobs = [start(desk, name, lambda name=name: (hold.wait(), done.append(name))) for name in "abc"]
        await asyncio.sleep(0.05)
        assert not done
        hold.set()
        await asyncio.gather(*jobs)

    asyncio.run(run())
    assert done == ["a", "b", "c"]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_jobs_run_at_a_time_than_there_are_workers(workers):
    desk, lock, running, most = Desk(workers, places=8), threading.Lock(), [0], [0]

    def job():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    async def run():
        await asyncio.gather(*(desk.run(str(i), job) for i in range(6)))

    asyncio.run(run())
    desk.close()
    assert most[0] == workers


def test_a_job_that_fails_frees_its_place(desk):
    def fail():
        raise YotoError("No.")

    async def run():
        for _ in range(5):
            with pytest.raises(YotoError, match="No."):
                await desk.run("a", fail)
        assert await desk.run("a", lambda: 3) == 3

    asyncio.run(run())


def test_the_job_of_a_client_that_left_is_not_begun(desk):
    done = []

    async def gone():
        return True

    async def run():
        with pytest.raises(BusyError, match="left"):
            await desk.run("a", lambda: done.append(1), gone)
        assert await desk.run("a", lambda: 2) == 2

    asyncio.run(run())
    assert not done


def test_a_request_that_is_cancelled_in_the_queue_frees_its_place(desk):
    async def run():
        hold = threading.Event()
        first, second = start(desk, "a", hold.wait), start(desk, "b", hold.wait)
        await until(lambda: len(desk.clients) == 2)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert desk.clients == {"a"}
        hold.set()
        assert await first
        assert await desk.run("b", lambda: 5) == 5

    asyncio.run(run())


def test_uploads_are_received_a_few_at_a_time(desk):
    async def work():
        async with desk.receiving(places=2), desk.receiving(places=2):
            with pytest.raises(BusyError, match="Too many files"):
                async with desk.receiving(places=2):
                    pass
        assert desk.uploads == 0
        async with desk.receiving(places=1):
            return True

    assert asyncio.run(work())


def test_an_upload_that_trickles_in_is_given_up(desk):
    async def work():
        with pytest.raises(YotoError, match="should arrive within 0 seconds"):
            async with desk.receiving(seconds=0.02):
                await asyncio.sleep(10)
        assert desk.uploads == 0

    asyncio.run(work())


def test_who_left_may_come_again_at_once_and_the_left_job_is_told():
    desk, stop, begun, there = Desk(), threading.Event(), threading.Event(), [True]

    def first():
        begun.set()
        assert stop.wait(30)
        return "given up"

    async def gone():
        return not there[0]

    async def main():
        running = asyncio.create_task(desk.run("a", first, gone, stop))
        while not begun.is_set():  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.01)
        there[0] = False
        second = await desk.run("a", lambda: "done")
        return await running, second

    assert asyncio.run(main()) == ("given up", "done")
    assert not desk.clients | desk.stoppable
    desk.close()
