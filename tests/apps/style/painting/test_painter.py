"""Painting pictures with torch and with onnxruntime, at every setting."""

import shutil

import numpy as np
import pytest
from PIL import Image

from apps.style import toy
from yoto import bundle, stylize
from yoto.apps.style.painting.painter import recoloured
from yoto.data.images import of_image
from yoto.errors import YotoError


@pytest.fixture(scope="module")
def pixels():
    return toy.photograph(72, 88)


def test_the_engine_is_the_conditional_model(painter, pixels):
    import torch

    values = painter.bank.parameters({"dots": 1, "stripes": 2}, strength=0.4, layers={"mid": 3.0})
    model = bundle.load(painter.bank.header.path).conditional
    image = torch.from_numpy(pixels.copy()).movedim(-1, 0)[None].float() / 255
    with torch.no_grad():
        expected = (model.at(values)(image)[0].movedim(0, -1) * 255).round().byte().numpy()
    assert np.abs(painter.paint(pixels, values).astype(int) - expected).max() <= 1


def test_every_setting_reaches_the_picture(painter, pixels):
    plain = painter(pixels, "dots").astype(int)
    for other in (
        painter(pixels, "stripes"),
        painter(pixels, {"dots": 0.5, "stripes": 0.5}),
        painter(pixels, "dots", strength=0.2),
        painter(pixels, "dots", layers={"coarser": 5.0}),
        painter(pixels, "dots", smoothness=0.5),
    ):
        assert np.abs(plain - other).mean() > 0.5


def test_colours_stay_where_asked(painter, pixels):
    kept = painter(pixels, "dots", strength=1.0, keep_colours=True)
    before, after = (np.asarray(Image.fromarray(each).convert("YCbCr")).astype(int) for each in (pixels, kept))
    painted = np.asarray(Image.fromarray(painter(pixels, "dots", strength=1.0)).convert("YCbCr")).astype(int)
    inside = (kept > 0).all(axis=2) & (kept < 255).all(axis=2)  # others were clipped to what RGB can show
    assert inside.any()
    assert np.abs(after - before)[inside][:, 1:].max() <= 3
    assert np.abs(after - painted)[inside][:, 0].max() <= 2


def test_recolouring_works_in_parts(monkeypatch):
    from yoto.apps.style.painting import painter

    one, other = toy.photograph(50, 20), toy.photograph(50, 20, seed=1)
    whole = recoloured(one, other)
    monkeypatch.setattr(painter, "ROWS", 7)
    assert np.array_equal(recoloured(one, other), whole)


def test_pictures_of_every_kind_are_taken(painter, pixels):
    image = Image.fromarray(pixels)
    expected = painter(pixels, "dots")
    assert np.array_equal(painter(image, "dots"), expected)
    assert np.array_equal(painter(of_image(image), "dots"), expected)
    with pytest.raises(YotoError, match="uint8 of shape"):
        painter(pixels.astype(float), "dots")
    with pytest.raises(YotoError, match="uint8 of shape"):
        painter(pixels[..., 0], "dots")
    for other in ("photo.jpg", pixels.tolist(), None):
        with pytest.raises(YotoError, match=r"A file is read by PIL.Image.open"):
            painter(other, "dots")


@pytest.mark.parametrize("threads", [0, -1, 1.5, "a"])
def test_threads_are_a_whole_number(threads):
    for engine in (None, "torch"):
        with pytest.raises(YotoError, match="`threads` should be a whole number, at least 1"):
            stylize.load(engine=engine, threads=threads)
        with pytest.raises(YotoError, match="`threads` should be at most 1024"):
            stylize.load(engine=engine, threads=100_000)


def test_threads_share_one_painter(painter, pixels):
    from concurrent.futures import ThreadPoolExecutor

    pixels = pixels[:32, :32].copy()
    strengths = [i / 12 for i in range(13)]
    expected = {strength: painter(pixels, "dots", strength=strength) for strength in strengths}
    wanted = strengths * 12
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda strength: painter(pixels, "dots", strength=strength), wanted)
        for strength, each in zip(wanted, made, strict=True):
            assert np.array_equal(each, expected[strength])


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from yoto.apps.style.painting.onnx import write_network

    path = tmp_path_factory.mktemp("onnx") / "toy.safetensors"
    shutil.copyfile(model, path)
    write_network(path)
    return path


class TestOnnx:
    def test_it_is_used_where_it_is_there(self, exported, model):
        assert stylize.load(exported).engine.name == "onnxruntime"
        assert stylize.load(exported, engine="torch").engine.name == "torch"
        assert stylize.load(model).engine.name == "torch"
        with pytest.raises(YotoError, match="yoto export"):
            stylize.load(model, engine="onnxruntime")

    @pytest.mark.parametrize("size", [(16, 16), (72, 88), (51, 131)])
    def test_it_paints_what_torch_paints(self, exported, painter, size):
        pixels = toy.photograph(*size)
        other = stylize.load(exported, engine="onnxruntime", threads=1)
        for style, strength in (("dots", 1.0), ({"dots": 1, "stripes": 1}, 0.3)):
            one, two = (each(pixels, style, strength=strength).astype(int) for each in (painter, other))
            assert np.abs(one - two).max() <= 1
            assert (one == two).mean() > 0.99

    def test_statistics_pass_between_the_engines(self, exported, painter):
        other = stylize.load(exported, engine="onnxruntime", threads=1)
        values = painter.bank.parameters("stripes")
        frames = [toy.photograph(48, 64, seed=i) for i in range(3)]
        one, two = painter.statistics(frames, values), other.statistics(frames, values)
        assert np.allclose(one, two, rtol=1e-3, atol=1e-4)
        made = painter.paint(frames[0], values, statistics=two).astype(int)
        assert np.abs(made - other.paint(frames[0], values, statistics=one)).max() <= 1

    def test_weights_are_stored_in_half_precision(self, exported):
        import onnx

        graph = onnx.load(exported.with_suffix(".onnx")).graph
        large = [t for t in graph.initializer if onnx.numpy_helper.to_array(t).size >= 256]
        assert large
        assert all(t.data_type == onnx.TensorProto.FLOAT16 for t in large)

    def test_a_damaged_or_foreign_network_is_refused(self, exported, tmp_path):
        path = tmp_path / "toy.safetensors"
        shutil.copyfile(exported, path)
        path.with_suffix(".onnx").write_bytes(exported.with_suffix(".onnx").read_bytes()[:-2000])
        with pytest.raises(YotoError, match="damaged"):
            stylize.load(path, engine="onnxruntime")
        shutil.copyfile(exported.with_suffix(".onnx"), path.with_suffix(".onnx"))
        loaded = bundle.load(path)
        bundle.save(loaded.model, path, recipe=loaded.recipe, info={"other": 1})
        with pytest.raises(YotoError, match=r"that of another\. Write it with yoto export"):
            stylize.load(path, engine="onnxruntime")
        assert stylize.load(path).engine.name == "torch"
