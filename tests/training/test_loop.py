import csv
import json
import math

import pytest
import torch
from safetensors.torch import load_file

from training.toy import Still, ToyTask, recipe
from yoto import bundle
from yoto.build import build_model
from yoto.conditioning import Conditional
from yoto.curves import sweep
from yoto.errors import YotoError
from yoto.objective import SmoothChebyshev
from yoto.recipe import read
from yoto.training import train
from yoto.training.checkpoint import load_checkpoint
from yoto.training.run import check_reached

EVERYTHING = {"ema": 0.9, "tilt": [4.0, -1.0], "weight_decay": 0.01, "validate_every": 10}
NARROW = {"distribution": "log-uniform", "low": 0.9999, "high": 1.0001}


def rows(out):
    with (out / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def run(out, task=None, **arguments):
    overrides = arguments.pop("overrides", {})
    return train(recipe(**overrides), out, task=task or ToyTask(), progress=False, **arguments)


def test_a_run_leaves_its_folder(tmp_path):
    result = run(tmp_path / "run", overrides=EVERYTHING)
    assert (result.finished, result.steps, result.signal) == (True, 20, None)
    assert isinstance(result.model, Conditional)
    assert not result.model.training
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"recipe.yaml", "log.csv", "last", "best", "model.safetensors", "run.json"}
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["finished"]
    assert record["steps"] == 20
    assert {"processor", "cores", "threads", "device"} <= record["machine"].keys()
    assert {"python", "torch", "yoto"} <= record["versions"].keys()
    log = rows(tmp_path / "run")
    assert [row["step"] for row in log] == ["5", "10", "15", "20"]
    assert list(log[0]) == [
        "step", "seconds", "loss", "reconstruction", "kl", "gradient_norm",
        "loss_kl_low", "loss_kl_middle", "loss_kl_high", "learning_rate",
    ]  # fmt: skip
    assert all(math.isfinite(float(value)) for row in log for value in row.values())


def test_training_lowers_the_loss(tmp_path):
    run(tmp_path, overrides={"steps": 150, "log_every": 30})
    log = rows(tmp_path)
    assert float(log[-1]["loss"]) < 0.7 * float(log[0]["loss"])


def test_a_fixed_weight_model_is_the_plain_network(tmp_path):
    result = run(tmp_path, overrides={"fixed": {"kl": 2.0}, **EVERYTHING})
    assert not isinstance(result.model, Conditional)
    state = load_file(tmp_path / "model.safetensors")
    assert state.keys() == result.model.state_dict().keys()
    assert "loss_kl_low" in rows(tmp_path)[0]


def test_initial_weights_depend_on_the_seed_alone():
    models = [build_model(recipe(seed=seed), ToyTask()).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert not torch.equal(models[0]["plain.code.weight"], models[2]["plain.code.weight"])


def test_conditional_and_fixed_models_start_from_the_same_plain_weights():
    conditional = build_model(recipe(), ToyTask()).state_dict()
    fixed = build_model(recipe(fixed={"kl": 1.0}), ToyTask()).state_dict()
    assert all(torch.equal(value, conditional[f"plain.{name}"]) for name, value in fixed.items())


def test_the_callers_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    run(tmp_path)
    assert torch.equal(torch.randn(3), expected)


def test_the_bundle_has_the_averaged_weights(tmp_path):
    result = run(tmp_path, overrides=EVERYTHING)
    tensors, _ = load_checkpoint(tmp_path / "last")
    written = load_file(tmp_path / "model.safetensors")
    for name, value in result.model.named_parameters():
        assert torch.equal(written[name], tensors[f"ema/{name}"])
        assert torch.equal(written[name], value)
        assert not torch.equal(written[name], tensors[f"model/{name}"])


@pytest.mark.parametrize("overrides", [{"per_batch": True}, {"clip": 1.0}, {"clip": None, "sampling": "iid"},
                                       {"optimiser": "adam", "schedule": "steps", "milestones": [10]},
                                       {"channels_last": True, "sampling": "sobol", "balance": "geometric"},
                                       {"precision": "bf16-mixed"}], ids="-".join)  # fmt: skip
def test_variants_run(tmp_path, overrides):
    assert run(tmp_path, overrides=overrides).finished


def test_mixed_precision_rounds_neither_weights_nor_examples(tmp_path):
    """λ of the loss and λ that the network is told must be the same number."""
    seen = []

    class Looking(ToyTask):
        def terms(self, net, batch, at):
            seen.append((batch.dtype, at.clone(), torch.is_autocast_enabled("cpu")))
            return super().terms(net, batch, at)

    run(
        tmp_path,
        Looking(),
        overrides={
            "precision": "bf16-mixed",
            "space": {"reconstruction": 1.0, "kl": NARROW},
            "evaluation": {"grid": 2},
        },
    )
    assert {dtype for dtype, _, _ in seen} == {torch.float32}
    assert all(autocast for _, _, autocast in seen)
    drawn = torch.cat([at for _, at, _ in seen])
    assert len(drawn[:, 1].unique()) > 10
    assert ((drawn[:, 1] >= 0.9999) & (drawn[:, 1] <= 1.0001)).all()


def test_accumulated_parts_give_the_same_step(tmp_path):
    whole = run(tmp_path / "whole", Still(), overrides={"optimiser": "adam", "eps": 1e-3}).model.state_dict()
    parts = run(
        tmp_path / "parts", Still(), overrides={"optimiser": "adam", "eps": 1e-3, "accumulate": 5}
    ).model.state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], rtol=1e-3, atol=1e-4)


def test_best_is_the_lowest_validation_loss(tmp_path):
    run(tmp_path, overrides={"validate_every": 5})
    best = json.loads((tmp_path / "run.json").read_text())["best"]
    assert math.isfinite(best)
    assert (tmp_path / "best" / "model.safetensors").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(YotoError, match=r"finite. Found nan at step 9 for λ reconstruction=1, kl=") as info:
        run(tmp_path, ToyTask(fault=9))
    assert "\n" not in str(info.value)
    assert load_checkpoint(tmp_path / "last")[1]["step"] == 7
    assert not (tmp_path / "model.safetensors").exists()
    assert run(tmp_path, resume=True).finished


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    run(tmp_path)
    with pytest.raises(YotoError, match="new folder"):
        run(tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    assert run(tmp_path, overrides={"steps": 3}, force=True).steps == 3
    assert (tmp_path / "mine.txt").exists()


def test_nothing_to_resume(tmp_path):
    with pytest.raises(YotoError, match="run to resume"):
        run(tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()


def test_own_loggers_get_every_row(tmp_path):
    class Memory(list):
        write = list.append
        closed = False

        def close(self):
            self.closed = True

    memory = Memory()
    run(tmp_path, loggers=[memory])
    assert [row["step"] for row in memory] == [5, 10, 15, 20]
    assert memory.closed
    assert not (tmp_path / "log.csv").exists()


class Prepared(ToyTask):
    """Starts from its data, and sends facts along with its model."""

    started = 0

    def start(self, model, data, at):
        assert at is None
        self.started += len(data)
        with torch.no_grad():
            model.plain.code.bias.fill_(0.5)

    def extras(self, model):
        return {"bias": model.plain.code.bias.detach().round().to(torch.int32)}, {"fact": 3}


def test_a_task_may_start_from_its_data_and_send_extras(tmp_path):
    from yoto import bundle

    task = Prepared()
    run(tmp_path / "run", task=task, overrides={"steps": 1, "warmup": 0})
    assert task.started == 48
    header = bundle.read_header(tmp_path / "run")
    assert header.info["fact"] == 3
    assert bundle.load(tmp_path / "run", task=task).extras["bias"].shape == (6,)


def test_a_run_may_start_from_a_models_weights(tmp_path):
    first = run(tmp_path / "first")
    second = run(tmp_path / "second", weights=tmp_path / "first", overrides={"lr": 1e-9, "adam_lr": 1e-9, "steps": 1})
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    record = json.loads((tmp_path / "second" / "run.json").read_text())
    assert len(record["weights"]) == 64
    with pytest.raises(YotoError, match="weights of this network"):
        run(tmp_path / "third", weights="vae/fashion-mnist")


def test_a_run_that_starts_from_a_model_is_conditioned_as_that_is(tmp_path):
    narrow = recipe().replace({"conditioning.hidden": [5]})
    first = train(narrow, tmp_path / "first", task=ToyTask(), progress=False)
    second = run(tmp_path / "second", weights=tmp_path / "first", overrides={"lr": 1e-9, "adam_lr": 1e-9, "steps": 1})
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert read(tmp_path / "second" / "recipe.yaml").conditioning.hidden == [5]


def test_a_scalarisation_of_the_recipe_is_trained_and_travels(tmp_path):
    section = {"scalarisation": "smooth-chebyshev", "smoothing": 0.2}
    run(tmp_path / "smooth", overrides={"objective": section, "validate_every": 10})
    run(tmp_path / "sum")
    smooth, plain = (load_file(tmp_path / name / "model.safetensors") for name in ("smooth", "sum"))
    assert any(not torch.equal(smooth[name], plain[name]) for name in plain)
    loaded = bundle.load(tmp_path / "smooth", task=ToyTask())
    assert loaded.objective.scalarisation == SmoothChebyshev(0.2)
    assert loaded.recipe.objective == section
    resumed = run(tmp_path / "smooth", overrides={"objective": section, "validate_every": 10}, resume=True)
    assert resumed.finished
    with pytest.raises(YotoError, match="objective"):
        run(tmp_path / "smooth", overrides={"validate_every": 10}, resume=True)


def test_best_is_chosen_by_the_score_of_the_balanced_loss(tmp_path):
    run(tmp_path / "run", overrides={"validate_every": 10, "balance": 0.5})
    best = bundle.load(tmp_path / "run" / "best" / "model.safetensors", task=ToyTask())
    curve = sweep(best, ToyTask().data("validation"), ToyTask(), [{"kl": kl} for kl in (0.1, 1.0, 10.0)])
    assert best.header.info["validation"] == pytest.approx(curve.score(), rel=1e-6)
    assert curve.score() != pytest.approx(sum(curve.loss) / 3, rel=1e-2)


def test_terms_without_a_gradient_are_told_in_one_line(tmp_path):
    class Constant(ToyTask):
        def terms(self, net, batch, at):
            return {name: term.detach() for name, term in super().terms(net, batch, at).items()}

    with pytest.raises(YotoError, match="terms without a gradient"):
        run(tmp_path, Constant())


def test_terms_of_another_network_than_the_one_given_are_refused(tmp_path):
    """Its gradients are its own: the run would end as it began, and say that it is done."""

    class Elsewhere(ToyTask):
        own = ToyTask().network()

        def terms(self, net, batch, at):
            return super().terms(self.own, batch, at)

    with pytest.raises(YotoError, match=r"depend on the network that the terms are given.*in place of `net`"):
        run(tmp_path, Elsewhere())


def test_parameters_that_several_processes_would_wait_for_are_named():
    net = torch.nn.ModuleDict({name: torch.nn.Linear(1, 1) for name in "abc"})
    net["b"].requires_grad_(False)
    net["a"](torch.ones(1)).sum().backward()
    with pytest.raises(YotoError, match=r"every parameter. Found 'c.weight', 'c.bias' without a part in it"):
        check_reached(net)
    net["c"](torch.ones(1)).sum().backward()
    check_reached(net)
