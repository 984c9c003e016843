"""Several runs at a time: each process sees an accelerator of its own."""

import subprocess

import pytest

from yoto.errors import YotoError
from yoto.training.launch import in_processes, is_first, launch, visible_devices
from yoto.training.signals import StopRequest

ASK = ["sh", "-c", 'sleep 1; printf %s "${CUDA_VISIBLE_DEVICES-none}"']


def devices_of_jobs(jobs):
    with StopRequest() as request:
        names = [str(number) for number in range(jobs)]
        found = in_processes(subprocess.check_output, names, lambda name: (ASK,), jobs, request, lambda: False)
        return sorted(output.decode() for _, output in found)


@pytest.mark.parametrize(
    ("visible", "jobs", "expected"), [("3,5", 2, ["3", "5"]), ("GPU-a", 2, ["GPU-a", "GPU-a"]), ("", 2, ["", ""])]
)
def test_jobs_share_out_the_visible_devices(monkeypatch, visible, jobs, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices_of_jobs(jobs) == expected


def test_devices_are_those_named_else_those_that_torch_finds(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, 2")
    assert visible_devices() == ["1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_devices() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert visible_devices() == ["0", "1", "2"]


@pytest.mark.parametrize(("accelerator", "devices"), [("tpu", 1), ("cpu", 0), ("nonsense", 1), ("cuda", 64)])
def test_devices_that_the_machine_lacks_are_told_in_one_line(accelerator, devices):
    with pytest.raises(YotoError, match=f"Found '{accelerator}' and {devices}: ") as info:
        launch(devices, 1, accelerator)
    assert "\n" not in str(info.value)


def test_the_first_process_is_that_of_rank_0(monkeypatch):
    assert is_first()
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    for rank in (0, 1):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        assert is_first() == (rank == 0)
