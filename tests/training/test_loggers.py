import csv
import sys

import pytest

from yoto.errors import YotoError
from yoto.training.loggers import CSVLogger, make_logger


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_one_row_per_logged_step(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")
    log.write({"step": 5, "loss": 1.23456789, "kl": float("nan")})
    log.write({"step": 10, "loss": 1e-9, "other": 1.0})
    log.close()
    assert rows(tmp_path / "log.csv") == [
        {"step": "5", "loss": "1.23457", "kl": "nan"},
        {"step": "10", "loss": "1e-09", "kl": ""},
    ]


def test_resuming_drops_later_and_half_written_rows(tmp_path):
    path = tmp_path / "log.csv"
    log = CSVLogger(path)
    for step in (5, 10, 15):
        log.write({"step": step, "loss": 1.0})
    path.write_text(path.read_text() + "20")
    CSVLogger(path, step=10).write({"step": 15, "loss": 2.0})
    assert [(row["step"], row["loss"]) for row in rows(path)] == [("5", "1"), ("10", "1"), ("15", "2")]


def test_a_new_run_starts_an_empty_file(tmp_path):
    (tmp_path / "log.csv").write_text("old")
    CSVLogger(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == ""


def test_an_unknown_logger_is_an_error(tmp_path):
    for logger in ("wandb", object(), None):
        with pytest.raises(YotoError, match="'csv', 'tensorboard'"):
            make_logger(logger, tmp_path, 0)


def test_tensorboard_without_its_package(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(YotoError, match=r"needs tensorboard\. .*pip install '\.\[tensorboard\]'"):
        make_logger("tensorboard", tmp_path, 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_writes_scalars(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = make_logger("tensorboard", tmp_path, 0)
    log.write({"step": 5, "loss": 2.0})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(5, 2.0)]
