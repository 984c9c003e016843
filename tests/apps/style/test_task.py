"""The style task: terms, metrics, units of the losses, and a run from end to end."""

import numpy as np
import pytest
import torch
from PIL import Image

from apps.style import toy
from yoto.apps.style.data import painting, references
from yoto.apps.style.options import BANK, PARAMETERS, StyleOptions
from yoto.apps.style.task import StyleTask
from yoto.errors import YotoError


@pytest.fixture(scope="module")
def paintings(tmp_path_factory):
    return toy.paintings(tmp_path_factory.mktemp("task") / "paintings")


@pytest.fixture(scope="module")
def recipe(paintings):
    return toy.recipe(paintings)


@pytest.fixture(scope="module")
def task(recipe):
    return StyleTask(StyleOptions(**recipe.options))


@pytest.fixture(scope="module")
def net(task):
    torch.manual_seed(0)
    return task.network().eval().requires_grad_(False)


def lam(recipe, **values):
    space = recipe.loss_space()
    base = {"style": 1.0, "smoothness": 0.1, "fine": 1.0, "mid": 1.0, "coarse": 1.0, "coarser": 1.0, "painting": "dots"}
    return space.point({**base, **values})


def test_terms_are_per_sample_and_those_of_the_space(task, net, recipe):
    batch = torch.rand(3, 3, 64, 64)
    at = torch.stack([lam(recipe), lam(recipe, coarse=3.0), lam(recipe, painting="stripes")])
    terms = task.terms(net, batch, at)
    assert set(terms) == {"content", "style", "smoothness"}
    for i in range(3):
        alone = task.terms(net, batch[i : i + 1], at[i])
        for name, values in terms.items():
            torch.testing.assert_close(values[i : i + 1], alone[name], rtol=1e-4, atol=1e-5)


def test_offsets_weigh_their_group(task, net, recipe):
    batch = torch.rand(1, 3, 64, 64)
    groups = task.metrics(net, batch, lam(recipe))
    even = float(task.terms(net, batch, lam(recipe))["style"])
    more = float(task.terms(net, batch, lam(recipe, mid=3.0))["style"])
    assert more - even == pytest.approx(float(groups["style_mid"]) * 2 / 4, rel=1e-4)
    assert even == pytest.approx(np.mean([float(groups[f"style_{n}"]) for n in ("fine", "mid", "coarse", "coarser")]))


def test_blends_ask_for_statistics_between(task, net, recipe):
    batch = torch.rand(1, 3, 64, 64)
    shares = task.shares(lam(recipe, painting={"dots": 0.5, "stripes": 0.5}), 1)
    torch.testing.assert_close(shares, torch.tensor([[0.5, 0.5]]))
    found = [float(task.terms(net, batch, lam(recipe, painting=p))["style"])
             for p in ("dots", "stripes", {"dots": 0.5, "stripes": 0.5})]  # fmt: skip
    assert all(np.isfinite(found))
    assert len(set(found)) == 3


def test_photographs_as_they_are_have_a_style_loss_of_1(task):
    measure = task.measure("untrained")
    photographs = references()
    for place in range(2):
        shares = torch.eye(2)[place].expand(len(photographs), 2)
        found = measure(photographs, photographs, shares)
        for group in ("fine", "mid", "coarse", "coarser"):
            assert float(found[group].mean()) == pytest.approx(1.0, rel=1e-3)
        assert float(found["content"].abs().max()) < 1e-6


def test_a_painting_has_its_own_style(task):
    """Its own picture, as large as the target was measured on, is at distance 0; the other painting is not."""
    measure = task.measure("untrained")
    image = painting(task.options, "dots")
    found = measure(image, image, torch.tensor([[1.0, 0.0]]))
    other = measure(image, image, torch.tensor([[0.0, 1.0]]))
    for group in ("fine", "mid", "coarse", "coarser"):
        assert float(found[group]) < 1e-6
        assert float(other[group]) > 0.01


def test_jitter_and_grain_are_for_training_only(task, net, recipe):
    batch = torch.rand(2, 3, 64, 64)
    at = lam(recipe)
    first, second = (task.terms(net, batch, at)["style"] for _ in range(2))
    assert torch.equal(first, second)
    training = task.network().train()
    first, second = (task.terms(training, batch, at)["content"] for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    first = task.terms(training, batch, at)["content"]
    torch.manual_seed(3)
    assert torch.equal(first, task.terms(training, batch, at)["content"])


def test_the_photograph_that_is_mixed_in_has_no_grain(task):
    """Else the loss would tell the network to keep less of the photograph than is best without the grain."""
    batch = torch.rand(2, 3, 64, 64)
    net = task.network().train()
    assert not torch.equal(net(batch), net(batch))
    with torch.no_grad():
        net.share.bias.fill_(30.0)
    torch.testing.assert_close(net(batch), batch)


def test_flat_pictures_give_finite_gradients(task, recipe):
    torch.manual_seed(0)
    net = task.network().train()
    batch = torch.ones(2, 3, 64, 64)
    terms = task.terms(net, batch, lam(recipe))
    sum(term.sum() for term in terms.values()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in net.parameters() if p.grad is not None)


def test_metrics_have_a_judge(task, net, recipe):
    found = task.metrics(net, torch.rand(2, 3, 64, 64), lam(recipe))
    assert {"judge_content", "judge_style", "change", "style_coarser"} <= set(found)
    assert all(each.shape == (2,) for each in found.values())


def test_another_space_is_refused(task, net):
    with pytest.raises(YotoError, match="9 columns"):
        task.terms(net, torch.rand(1, 3, 64, 64), torch.ones(len(PARAMETERS)))


def test_paintings_lose_their_frames_and_shrink(paintings):
    options = StyleOptions(styles=str(paintings), paintings=["dots"], size=64)
    made = painting(options, "dots")
    assert made.shape[0] == 1
    assert made.shape[2] * made.shape[3] == pytest.approx(64**2, rel=0.05)
    assert made.shape[3] / made.shape[2] == pytest.approx(120 / 90, rel=0.05)


def test_the_bank_measures_with_real_features():
    """Of the shipped paintings each is nearer to itself than to any other, by both feature networks."""
    names = [name for name in BANK if name != "starry-night"][:4]
    task = StyleTask(StyleOptions(paintings=names, size=192))
    for features in ("lite0", "squeezenet"):
        measure = task.measure(features)
        table = []
        for name in names:
            image = painting(task.options, name)
            rows = [measure(image, image, torch.eye(len(names))[i : i + 1]) for i in range(len(names))]
            table.append([np.mean([float(row[g]) for g in ("fine", "mid", "coarse", "coarser")]) for row in rows])
        assert (np.argmin(table, axis=1) == np.arange(len(names))).all()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for split, count in (("train", 3), ("validation", 1), ("test", 2)):
        (folder / split).mkdir()
        for i in range(count):
            Image.fromarray(toy.photograph(140, 160, seed=i)).save(folder / split / f"{split}-{i}.png")
    return folder


def test_a_run_from_end_to_end(paintings, photographs, tmp_path):
    from yoto import stylize
    from yoto.training import train

    recipe = toy.recipe(paintings, f"data={photographs}")
    result = train(recipe, tmp_path / "run", progress=False)
    assert result.finished
    painter = stylize.load(tmp_path / "run")
    assert painter.bank.names == toy.NAMES
    assert painter(toy.photograph(40, 50), "stripes").shape == (40, 50, 3)
    from yoto.apps.style.thumbnails import thumbnail

    assert thumbnail(painter.bank, "dots") is not None


def test_a_fixed_network_trains_at_one_setting(paintings, photographs, tmp_path):
    from yoto.training import train

    fixed = "fixed={style: 2.0, smoothness: 0.1, fine: 1.0, mid: 1.0, coarse: 1.0, coarser: 1.0, painting: dots}"
    result = train(toy.recipe(paintings, f"data={photographs}", fixed), tmp_path / "run", progress=False)
    assert result.finished


def test_a_picture_to_look_at(task, net, recipe):
    assert task.picture(net, lam(recipe), seed=0).shape == (384, 384, 3)
