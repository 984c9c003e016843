import csv
import hashlib
import io
import json
import os
import random
import signal
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset

from training.toy import Net, ToyTask, recipe
from yoto import bundle
from yoto.data import DatasetData
from yoto.errors import YotoError
from yoto.training import train
from yoto.training.checkpoint import load_checkpoint
from yoto.training.signals import STOPPING

OVERRIDES = {
    "muon, everything": {
        "ema": 0.9, "tilt": [4.0, -1.0], "spread": [0.8, 1.0], "weight_decay": 0.01, "validate_every": 10,
        "clip_factor": 1.01,
    },
    "adam": {"optimiser": "adam", "schedule": "steps", "milestones": [5, 12]},
    "channels last, parts": {"channels_last": True, "accumulate": 2, "sampling": "sobol"},
    "fixed": {"fixed": {"kl": 2.0}, "ema": 0.9},
}  # fmt: skip


class Stopping(ToyTask):
    """Calls `act` in the terms of step `step`."""

    def __init__(self, step, act):
        super().__init__()
        self.step, self.act = step, act

    def terms(self, net, batch, at):
        terms = super().terms(net, batch, at)
        if net.training and self.calls == self.step:
            self.act()
        return terms


def run(out, task=None, *, overrides, **arguments):
    return train(recipe(**overrides), out, task=task or ToyTask(), progress=False, **arguments)


def same_weights(a, b):
    for read in (lambda out: load_checkpoint(out / "last")[0], lambda out: load_file(out / "model.safetensors")):
        left, right = read(a), read(b)
        assert left.keys() == right.keys()
        for name, value in left.items():
            assert torch.equal(value, right[name]), name


@pytest.mark.parametrize("overrides", OVERRIDES.values(), ids=OVERRIDES)
@pytest.mark.parametrize("number", STOPPING)
def test_stopped_by_a_signal_and_resumed(tmp_path, overrides, number):
    run(tmp_path / "whole", overrides=overrides)
    parts = overrides.get("accumulate", 1)
    first = run(tmp_path / "cut", Stopping(9 * parts, lambda: os.kill(os.getpid(), number)), overrides=overrides)
    assert (first.steps, first.finished, first.signal) == (9, False, number)
    assert not json.loads((tmp_path / "cut" / "run.json").read_text())["finished"]
    second = run(tmp_path / "cut", overrides=overrides, resume=True)
    assert (second.steps, second.finished, second.signal) == (20, True, None)
    same_weights(tmp_path / "whole", tmp_path / "cut")


def test_stopped_by_the_clock_and_resumed_several_times(tmp_path, monkeypatch):
    overrides = OVERRIDES["muon, everything"]
    run(tmp_path / "whole", overrides=overrides)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def minutes_pass():
        now[0] += 600.0

    steps = []
    for resume in (False, True, True):
        result = run(tmp_path / "cut", Stopping(5, minutes_pass), overrides=overrides, resume=resume, max_minutes=5.0)
        assert not result.finished
        assert result.signal is None
        steps.append(result.steps)
    assert steps[0] == 5
    assert steps == sorted(set(steps))
    result = run(tmp_path / "cut", overrides=overrides, resume=True)
    assert result.finished
    assert result.seconds == pytest.approx(1800.0)
    same_weights(tmp_path / "whole", tmp_path / "cut")


def test_no_time_at_all_leaves_the_initial_weights(tmp_path):
    result = run(tmp_path / "cut", overrides={}, max_minutes=0.0)
    assert (result.steps, result.finished) == (0, False)
    run(tmp_path / "cut", overrides={}, resume=True)
    run(tmp_path / "whole", overrides={})
    same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_run_killed_before_its_first_checkpoint_starts_anew(tmp_path):
    def die():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "cut", Stopping(3, die), overrides={})
    run(tmp_path / "cut", overrides={}, resume=True)
    run(tmp_path / "whole", overrides={})
    same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_run_killed_before_its_first_checkpoint_is_in_nobodys_way(tmp_path):
    def die():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "cut", Stopping(3, die), overrides={})
    run(tmp_path / "cut", overrides={"seed": 5})
    with pytest.raises(YotoError, match="Found a run in"):
        run(tmp_path / "cut", overrides={"seed": 5})


def test_what_comes_before_the_first_step_is_not_charged_to_the_run(tmp_path):
    class Slow(Stopping):
        def data(self, split):
            found = super().data(split)
            time.sleep(0.3)
            self.begin = time.monotonic()
            return found

    task = Slow(1000, None)
    result = run(tmp_path, task, overrides={})
    assert 0 < result.seconds <= time.monotonic() - task.begin


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    def die():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "cut", Stopping(17, die), overrides={})
    run(tmp_path / "cut", overrides={}, resume=True)
    run(tmp_path / "whole", overrides={})
    same_weights(tmp_path / "whole", tmp_path / "cut")
    steps = [line.split(",")[0] for line in (tmp_path / "cut" / "log.csv").read_text().splitlines()]
    assert steps == ["step", "5", "10", "15", "20"]


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    overrides = OVERRIDES["muon, everything"]
    first = run(tmp_path, overrides=overrides)
    checkpoint = {p: p.read_bytes() for p in (tmp_path / "last").iterdir()}
    written = load_file(tmp_path / "model.safetensors")
    again = run(tmp_path, overrides=overrides, resume=True)
    assert again.finished
    assert checkpoint == {p: p.read_bytes() for p in (tmp_path / "last").iterdir()}
    for name, value in load_file(tmp_path / "model.safetensors").items():
        assert torch.equal(value, written[name])
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.5}, r"`training.lr` should be .* 0.01. Found 0.5"),
        ({"seed": 3}, r"`seed` should be .* 0. Found 3"),
        ({"fixed": {"kl": 1.0}}, "`fixed"),
        ({"space__kl__high": 20.0}, "`space.kl.high`"),
    ],
)
def test_a_changed_recipe_is_refused(tmp_path, change, message):
    run(tmp_path, overrides={"steps": 3})
    with pytest.raises(YotoError, match=message):
        run(tmp_path, overrides={"steps": 3, **change}, resume=True)


def test_what_does_not_bear_on_the_weights_may_change(tmp_path):
    run(tmp_path, overrides={"steps": 3})
    assert run(tmp_path, overrides={"steps": 3, "log_every": 1, "name": "other"}, resume=True).finished
    assert "name: other" in (tmp_path / "recipe.yaml").read_text()


def test_evaluation_bears_on_the_weights_only_where_it_picks_the_best(tmp_path):
    run(tmp_path / "a", overrides={"steps": 3})
    assert run(tmp_path / "a", overrides={"steps": 3, "evaluation__seed": 1}, resume=True).finished
    run(tmp_path / "b", overrides={"steps": 3, "validate_every": 2})
    with pytest.raises(YotoError, match=r"`evaluation.seed`"):
        run(tmp_path / "b", overrides={"steps": 3, "validate_every": 2, "evaluation__seed": 1}, resume=True)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path, overrides={})
    next((tmp_path / "last").glob("*.safetensors")).write_bytes(b"")
    with pytest.raises(YotoError, match="as it was written"):
        run(tmp_path, overrides={}, resume=True)


def test_another_network_is_refused(tmp_path):
    class Wider(ToyTask):
        def network(self):
            net = super().network()
            net.code = torch.nn.Linear(16, 7)
            return net

    run(tmp_path, overrides={}, max_minutes=0.0)
    with pytest.raises(YotoError, match="this recipe's network") as info:
        run(tmp_path, Wider(), overrides={}, resume=True)
    assert "\n" not in str(info.value)


def test_a_resumed_run_keeps_where_its_parameters_came_from(tmp_path):
    run(tmp_path / "first", overrides={})
    model = tmp_path / "first" / "model.safetensors"
    run(tmp_path / "cut", Stopping(9, lambda: os.kill(os.getpid(), signal.SIGINT)), overrides={}, weights=model)
    before = json.loads((tmp_path / "cut" / "run.json").read_text())
    run(tmp_path / "cut", overrides={}, resume=True)
    after = json.loads((tmp_path / "cut" / "run.json").read_text())
    assert before["weights"] == after["weights"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_a_branch_is_resumed_with_the_conditioning_that_it_took_over(tmp_path):
    train(recipe().replace({"conditioning.hidden": [5]}), tmp_path / "first", task=ToyTask(), progress=False)
    run(tmp_path / "whole", overrides={}, weights=tmp_path / "first")
    cut = Stopping(9, lambda: os.kill(os.getpid(), signal.SIGINT))
    run(tmp_path / "cut", cut, overrides={}, weights=tmp_path / "first")
    resumed = run(tmp_path / "cut", overrides={}, resume=True)
    whole = bundle.load(tmp_path / "whole", task=ToyTask()).model
    for one, other in zip(resumed.model.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("overrides", OVERRIDES.values(), ids=OVERRIDES)
def test_the_log_of_a_resumed_run_is_that_of_an_uninterrupted_one(tmp_path, overrides):
    def rows(out):
        table = csv.DictReader(io.StringIO((out / "log.csv").read_text()))
        return [{name: value for name, value in row.items() if name != "seconds"} for row in table]

    run(tmp_path / "whole", overrides=overrides)
    stop = Stopping(8 * overrides.get("accumulate", 1), lambda: os.kill(os.getpid(), signal.SIGTERM))
    run(tmp_path / "cut", stop, overrides=overrides)  # within the window of five steps that begins with the sixth
    run(tmp_path / "cut", overrides=overrides, resume=True)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_branch_of_an_unfinished_run_starts_from_its_last_checkpoint_and_counts_what_was_spent(tmp_path, ema):
    still = {"lr": 1e-12, "adam_lr": 1e-12, "steps": 1}
    stopping = Stopping(9, lambda: os.kill(os.getpid(), signal.SIGINT))
    cut = run(tmp_path / "cut", stopping, overrides={"ema": ema})
    branch = run(tmp_path / "branch", overrides=still, weights=tmp_path / "cut")
    twig = run(tmp_path / "twig", overrides=still, weights=tmp_path / "branch")
    tensors, state = load_checkpoint(tmp_path / "cut" / "last")
    for name, value in branch.model.named_parameters():
        assert torch.allclose(value, tensors[f"ema/{name}" if ema else f"model/{name}"], atol=1e-6)
    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("cut", "branch", "twig")]
    assert not cut.finished
    assert twig.finished
    assert [record["before"] and record["before"]["steps"] for record in records] == [
        None,
        state["step"],
        state["step"] + 1,
    ]
    assert records[2]["before"]["cpu_seconds"] == pytest.approx(
        state["cpu_seconds"] + records[1]["cpu_seconds"], abs=0.02
    )


def test_what_a_model_says_was_spent_on_it_counts_for_what_goes_on_from_it(tmp_path):
    done = run(tmp_path / "done", overrides={})
    loaded = bundle.load(done.out / "model.safetensors", task=ToyTask())
    said = {"steps": 20, "cpu_seconds": 1.5, "before": {"sha256": "0" * 64, "steps": 7, "cpu_seconds": 2.25}}
    bundle.save(loaded.model, tmp_path / "bundled.safetensors", recipe=loaded.recipe, info=said)
    run(tmp_path / "more", overrides={"steps": 1}, weights=tmp_path / "bundled.safetensors")
    before = json.loads((tmp_path / "more" / "run.json").read_text())["before"]
    assert (before["steps"], before["cpu_seconds"]) == (27, 3.75)


def test_a_run_is_replaced_by_what_begins_with_its_own_parameters(tmp_path):
    run(tmp_path, overrides={"steps": 5})
    still = {"lr": 1e-12, "adam_lr": 1e-12, "steps": 1}
    first = load_file(tmp_path / "model.safetensors")
    result = run(tmp_path, overrides=still, weights=tmp_path, force=True)
    for name, value in result.model.named_parameters():
        assert torch.allclose(value, first[name], atol=1e-6), name
    assert json.loads((tmp_path / "run.json").read_text())["before"]["steps"] == 5


@pytest.mark.parametrize(
    ("overrides", "arguments"),
    [
        ({"conditioning": {"sites": "nope"}}, {}),
        ({}, {"weights": "nope.safetensors"}),
        ({"lr_factors": {"(": 1.0}}, {}),
        ({}, {"loggers": ("csv", "wandb")}),
    ],
)
def test_a_run_stays_where_the_one_that_should_replace_it_cannot_begin(tmp_path, overrides, arguments):
    def held():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    run(tmp_path, overrides={"steps": 1})
    before = held()
    with pytest.raises(YotoError, match="should"):
        run(tmp_path, overrides=overrides, force=True, **arguments)
    assert held() == before


def test_force_leaves_files_of_others_where_no_run_is(tmp_path):
    for name in ("log.csv", "best/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    run(tmp_path, overrides={"steps": 1}, force=True)
    assert (tmp_path / "best/notes.txt").read_text() == "mine"


def test_a_model_away_from_its_folder_says_what_was_spent_before_its_run(tmp_path):
    run(tmp_path / "first", overrides={"steps": 5})
    run(tmp_path / "second", overrides={"steps": 3, "validate_every": 3}, weights=tmp_path / "first")
    for name in ("model.safetensors", "best/model.safetensors"):
        moved = tmp_path / "moved.safetensors"
        moved.write_bytes((tmp_path / "second" / name).read_bytes())
        assert bundle.read_header(moved).steps == 8
        run(tmp_path / "third", overrides={"steps": 1}, weights=moved, force=True)
        assert json.loads((tmp_path / "third" / "run.json").read_text())["before"]["steps"] == 8


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ({"steps": "about 1000", "cpu_seconds": None}, 0),
        ({"steps": None, "before": {"when": "2024"}}, 0),
        ({"steps": 3, "before": {"steps": "many"}, "cpu_seconds": "a day"}, 3),
        ({"steps": 3, "before": "2024-01-01"}, 3),
        ({"steps": 3, "polished_from": {"steps": 4, "sha256": "0" * 64}}, 7),
        ({"steps": 3, "polished_from": {"steps": None, "sha256": "0" * 64}}, 3),
    ],
)
def test_facts_of_other_kinds_count_nothing(tmp_path, said, steps):
    done = run(tmp_path / "done", overrides={"steps": 1})
    bundle.save(done.model, tmp_path / "own.safetensors", info=said)
    assert bundle.read_header(tmp_path / "own.safetensors").steps == (steps or None)
    run(tmp_path / "more", overrides={"steps": 1}, weights=tmp_path / "own.safetensors")
    assert json.loads((tmp_path / "more" / "run.json").read_text())["before"]["steps"] == steps


class Drawn(Stopping):
    """Noise of Python and numpy in examples, terms and initial parameters."""

    def network(self):
        net = super().network()
        net.code.weight.data[0] = random.random() + np.random.rand()  # noqa: NPY002
        return net

    def terms(self, net, batch, at):
        found = super().terms(net, batch, at)
        return {name: term * (1 + 0.1 * np.random.rand()) for name, term in found.items()}  # noqa: NPY002

    def data(self, split):
        return DatasetData(Noisy())


class Noisy(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.full((1, 4, 4), float(index)) + random.random() + np.random.rand()  # noqa: NPY002


def test_random_numbers_of_python_and_numpy_are_repeated_too_and_left_as_they_were(tmp_path):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    run(tmp_path / "whole", Drawn(1000, None), overrides={})
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002
    run(tmp_path / "cut", Drawn(8, lambda: os.kill(os.getpid(), signal.SIGTERM)), overrides={})
    run(tmp_path / "cut", Drawn(1000, None), overrides={}, resume=True)
    same_weights(tmp_path / "whole", tmp_path / "cut")


class Kept(Net):
    """Keeps what is no tensor, as `get_extra_state` lets it."""

    def __init__(self):
        super().__init__()
        self.kept = {"called": 0}

    def forward(self, x):
        self.kept["called"] += self.training
        return super().forward(x)

    def get_extra_state(self):
        return self.kept

    def set_extra_state(self, state):
        self.kept = state


class Keeping(Stopping):
    def network(self):
        return Kept()


@pytest.mark.parametrize("ema", [None, 0.9])
def test_what_modules_keep_beside_tensors_is_kept_and_handed_on(tmp_path, ema):
    stop = Keeping(6, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run(tmp_path / "cut", stop, overrides={"ema": ema})
    still = {"ema": ema, "lr": 1e-12, "adam_lr": 1e-12, "steps": 1}
    branch = run(tmp_path / "branch", Keeping(100, None), overrides=still, weights=tmp_path / "cut")
    assert branch.model.plain.kept["called"] == 6 + 1
    run(tmp_path / "cut", Keeping(100, None), overrides={"ema": ema}, resume=True)
    run(tmp_path / "whole", Keeping(100, None), overrides={"ema": ema})
    same_weights(tmp_path / "whole", tmp_path / "cut")
    twig = run(tmp_path / "twig", Keeping(100, None), overrides=still, weights=tmp_path / "whole")
    assert twig.model.plain.kept["called"] == 20 + 1
