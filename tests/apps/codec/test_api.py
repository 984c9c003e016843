"""Compress and decompress: round trips, targets, tiles, golden files."""

import numpy as np
import pytest
import torch
from PIL import Image

from apps.codec.golden import DATA, GOLDEN, opened
from yoto import codec
from yoto.apps.codec import assembly, latents, search
from yoto.apps.codec.format import container
from yoto.apps.codec.format.coder import PythonCoder, default
from yoto.apps.codec.format.errors import FileError
from yoto.apps.codec.symbols import dequantised
from yoto.data.pixels import psnr_of
from yoto.errors import YotoError


def arrays(*images):
    return [np.asarray(image).astype(int) for image in images]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files_decode_to_the_same_symbols_and_pixels(name, here):
    data = (DATA / f"{name}.yoto").read_bytes()
    found = codec.decompress(data)
    expected = opened(DATA / f"{name}.png")
    assert found.mode == expected.mode
    a, b = arrays(found, expected)
    assert abs(a - b).max() <= 1
    assert container.parse(data).symbols == GOLDEN[name]["symbols"]


@pytest.mark.parametrize("name", GOLDEN)
def test_decoded_pictures_look_like_their_originals(name):
    original, decoded = arrays(*(opened(DATA / f"{name}{end}.png") for end in ("-original", "")))
    if decoded.ndim == 3 and decoded.shape[2] == 4:
        assert np.array_equal(original[..., 3], decoded[..., 3])
        original, decoded = original[..., :3], decoded[..., :3]
    error = np.square(original - decoded).mean()
    assert -10 * np.log10(max(error, 1e-3) / 255**2) > 21


def test_quality_orders_size_and_error(tiny, photo):
    coded = [codec.encode(photo, quality=q, model=tiny) for q in (0, 25, 50, 75, 100)]
    sizes = [len(each.data) for each in coded]
    quality = [psnr_of(np.asarray(codec.decompress(each.data, model=tiny)), photo) for each in coded]
    assert sizes == sorted(sizes)
    assert quality[-1] > quality[0] + 2
    assert [each.level for each in coded] == [0, 64, 127, 191, 255]


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (63, 65), (64, 64), (130, 1)])
@pytest.mark.parametrize("tile", [128, 1024])
def test_any_size(tiny, size, tile):
    rng = np.random.default_rng(1)
    pixels = np.repeat(np.repeat(rng.integers(0, 255, (5, 5, 3), dtype=np.uint8), 40, 0), 40, 1)[: size[0], : size[1]]
    data = codec.compress(pixels, quality=60, model=tiny, tile=tile)
    assert codec.decompress(data, model=tiny).size == (size[1], size[0])


def test_tiles_leave_no_seams(tiny, photo):
    """Where the symbols are the same, tiles decode to what the whole does."""
    header = images_header(tiny, photo, 128)
    contents = latents.encode(tiny, header, photo, default())
    tiled = assembly.pixels_of(contents, tiny, default()).astype(int)
    whole = whole_image(tiny, contents)
    assert abs(tiled - whole).max() <= 1
    assert (tiled == whole).mean() > 0.999


def images_header(model, pixels, tile):
    from yoto.apps.codec.format.chunks import header_of
    from yoto.data.images import Picture

    return header_of(Picture(pixels), 150, model.fingerprint, tile)


@torch.inference_mode()
def whole_image(model, contents):
    """Symbols of all tiles on one grid, decoded at once."""
    header, tables = contents.header, model.integers.tables
    rows, columns = header.grid
    hyper = np.zeros((len(model.integers.prior_mean[0]), rows, columns), np.int64)
    index = latents.hyper_index(model, header.level, hyper)
    hyper = latents.decode_values(contents.hyper, index, tables, default()).reshape(hyper.shape)
    known = latents.parameters(model, header.level, hyper, (0, rows, 0, columns))
    symbols = torch.zeros_like(known.mean)
    for box, payload in zip(header.tiles(), contents.tiles, strict=True):
        own = latents.parameters(model, header.level, hyper, box)
        part = tuple(slice(4 * a, 4 * b) for a, b in (box[:2], box[2:]))
        assert all(torch.equal(a, b) for a, b in zip(own, known.part(*part), strict=True))
        values = latents.decode_values(payload, own.table.numpy().ravel(), tables, default())
        symbols[:, part[0], part[1]] = torch.from_numpy(values.reshape(own.mean.shape)).float()
    net = model.at(header.level)
    y = dequantised(net, symbols, known.mean, known.log_scale)
    levels = net.synthesis(y[None])[0].mul(255).round().clamp(0, 255).byte().movedim(0, -1).numpy()
    return levels[: header.height, : header.width].astype(int)


def test_tall_pictures_in_small_tiles(tiny, photo):
    """A tile's parameters depend on the hyper-latents of two rows below it."""
    tall = np.concatenate([photo, photo[::-1], photo] * 2)
    for quality in (20, 100):
        data = codec.compress(tall, quality=quality, model=tiny, tile=128)
        found = np.asarray(codec.decompress(data, model=tiny))
        assert psnr_of(found, tall) > 28


def test_large_pictures_are_checked_before_pixels_are_made(tiny, photo, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(latents, "CHECKED_FIRST", 100)
    good = container.parse(codec.compress(photo, model=tiny))
    whole = assembly.pixels_of(good, tiny, default())
    assert whole.shape == photo.shape
    bad = latents.decode(tiny, replace(good, symbols=good.symbols ^ 1), default())
    with pytest.raises(FileError, match="checksum"):
        next(bad)


def test_short_payloads_cannot_claim_large_pictures(tiny, photo):
    from dataclasses import replace

    one = container.parse(codec.compress(photo[:1, :1], model=tiny))
    empty = container.Payload(b"", b"")
    header = replace(one.header, width=16384, height=16384, tile=2048)
    forged = container.Contents(header, one.hyper, (empty,) * len(list(header.tiles())), one.symbols)
    with pytest.raises(FileError, match="too short for a picture of its size"):
        codec.decompress(container.pack(forged), model=tiny)


def test_grey_stays_grey_and_alpha_exact(tiny, photo):
    grey = Image.fromarray(photo).convert("L")
    data = codec.compress(grey, quality=70, model=tiny)
    assert codec.decompress(data, model=tiny).mode == "L"
    grey.putalpha(Image.fromarray(photo[..., 0]))
    both = codec.decompress(codec.compress(grey, quality=70, model=tiny), model=tiny)
    assert both.mode == "LA"
    assert np.array_equal(np.asarray(both)[..., 1], photo[..., 0])


def test_profile_and_exif_travel(tiny, photo):
    exif = Image.Exif()
    exif[0x010E] = "words"
    image = Image.fromarray(photo)
    image.info["icc_profile"] = b"not checked"
    image.getexif()[0x010E] = "words"
    data = codec.compress(image, model=tiny, keep_exif=True)
    back = codec.decompress(data, model=tiny)
    assert back.info["icc_profile"] == b"not checked"
    assert back.getexif()[0x010E] == "words"
    assert not codec.inspect(codec.compress(image, model=tiny)).exif


def test_targets(tiny, photo):
    bpp = codec.encode(photo, bpp=0.5, model=tiny)
    assert bpp.bpp == pytest.approx(0.5, rel=0.03)
    assert bpp.trials <= 8
    wanted = 35.0
    psnr = codec.encode(photo, psnr=wanted, model=tiny)
    assert psnr_of(np.asarray(codec.decompress(psnr.data, model=tiny)), photo) == pytest.approx(wanted, abs=0.15)
    assert psnr.trials <= 8
    for size in (1000, 1501, 2500):
        assert len(codec.encode(photo, size=size, model=tiny).data) <= size


@pytest.mark.parametrize("target", [{"bpp": 0.01}, {"bpp": 90.0}, {"psnr": 90.0}, {"size": 20}])
def test_targets_out_of_reach_name_the_nearest(tiny, photo, target):
    with pytest.raises(search.OutOfReachError, match="out of this codec's reach.* The nearest is"):
        codec.encode(photo, model=tiny, **target)


def test_a_psnr_below_all_levels_is_met_by_the_lowest(tiny, photo):
    assert codec.encode(photo, psnr=3.0, model=tiny).level == 0


def test_a_size_gives_the_best_level_that_fits(tiny, photo):
    sizes = {q: len(codec.encode(photo, quality=q / 2.55, model=tiny).data) for q in (0, 1, 60, 61, 200, 201, 253, 254)}
    for level, size in sizes.items():
        found = codec.encode(photo, size=size, model=tiny)
        assert len(found.data) <= size
        assert found.level >= level - 1


def test_a_generous_size_gives_the_best_quality(tiny, photo):
    assert codec.encode(photo, size=10**9, model=tiny).level == 255


@pytest.mark.parametrize(
    ("options", "message"),
    [({"quality": 101}, "0 to 100"), ({"quality": -1}, "0 to 100"), ({"quality": 5, "bpp": 1}, "quality and bpp"),
     ({"bpp": 0}, "above 0"), ({"size": -5}, "above 0"), ({"tile": 100}, "power of two"),
     ({"psnr": float("nan")}, "above 0")],
)  # fmt: skip
def test_bad_options(tiny, photo, options, message):
    with pytest.raises(YotoError, match=message):
        codec.encode(photo, model=tiny, **options)


@pytest.mark.parametrize("array", [np.zeros((3, 3, 2), np.uint8), np.zeros((3, 3)), np.zeros(3, np.uint8)])
def test_bad_arrays(tiny, array):
    with pytest.raises(YotoError, match="uint8 of shape"):
        codec.encode(array, model=tiny)


def test_the_coder_does_not_matter(tiny, photo):
    plain = codec.compress(photo, quality=40, model=tiny, coder=PythonCoder())
    assert plain == codec.compress(photo, quality=40, model=tiny)
    a, b = arrays(codec.decompress(plain, model=tiny, coder=PythonCoder()), codec.decompress(plain, model=tiny))
    assert np.array_equal(a, b)


def test_unknown_models_are_named(photo, tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("YOTO_MODELS", str(tmp_path))
    data = codec.compress(photo, model=tiny)
    with pytest.raises(FileError, match=f"{tiny.fingerprint.hex()}, which is not here"):
        codec.decompress(data)


def test_swapped_payloads_do_not_become_garbage(tiny, photo):
    """A file that is whole but whose symbols are another's."""
    from dataclasses import replace

    one = container.parse(codec.compress(photo, quality=50, model=tiny))
    other = container.parse(codec.compress(photo[::-1].copy(), quality=50, model=tiny))
    with pytest.raises(FileError):
        codec.decompress(container.pack(replace(one, tiles=other.tiles)), model=tiny)
    with pytest.raises(FileError, match="checksum"):
        codec.decompress(container.pack(replace(one, symbols=one.symbols ^ 1)), model=tiny)


@pytest.mark.parametrize("change", [{"width": 199}, {"height": 130}, {"grey": True}, {"icc": b"profile"}])
def test_a_header_that_was_changed_is_noticed(tiny, photo, change):
    """Though the symbols are right and the checksum of the file too."""
    from dataclasses import replace

    one = container.parse(codec.compress(photo, quality=50, model=tiny))
    forged = container.pack(replace(one, header=replace(one.header, **change)))
    with pytest.raises(FileError, match="its header or its symbols"):
        codec.decompress(forged, model=tiny)


def test_threads_of_one_process_can_share_a_codec(tiny, photo):
    from concurrent.futures import ThreadPoolExecutor

    qualities = [10, 50, 90, 20, 70, 35] * 2
    alone = {q: codec.compress(photo, quality=q, model=tiny) for q in set(qualities)}
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda q: codec.compress(photo, quality=q, model=tiny), qualities))
    assert together == [alone[q] for q in qualities]


def test_other_models_are_no_codec():
    with pytest.raises(YotoError, match="should be a conditional codec"):
        codec.load("vae/fashion-mnist")


def test_a_codec_with_other_weights_than_stated_is_refused(tmp_path):
    from yoto import bundle

    loaded = bundle.load(DATA / "tiny.safetensors")
    with torch.no_grad():
        loaded.model.plain.synthesis.gain.weight.mul_(1.5)
    bundle.save(loaded.model, tmp_path / "other.safetensors", recipe=loaded.recipe, info=loaded.header.info,
                extras=loaded.extras)  # fmt: skip
    with pytest.raises(YotoError, match="fingerprint"):
        codec.load(tmp_path / "other.safetensors")
    bundle.save(loaded.model, tmp_path / "bare.safetensors", recipe=loaded.recipe)
    with pytest.raises(YotoError, match="integer tables"):
        codec.load(tmp_path / "bare.safetensors")


def sprite(hidden):
    """A disc on nothing, uint8 [90, 100, 4]; under alpha 0 lies what `hidden` says."""
    y, x = np.mgrid[0:90, 0:100]
    alpha = np.where((x - 50) ** 2 + (y - 45) ** 2 < 900, 255, 0)
    colours = np.stack([x * 2, y * 2, 200 - x], -1)
    colours = np.where(alpha[..., None] > 0, colours, hidden)
    return np.dstack([colours, alpha]).astype(np.uint8)


def test_colours_under_alpha_0_have_no_influence(tiny):
    noise = np.random.default_rng(0).integers(0, 256, (90, 100, 3))
    plain, noisy = (codec.encode(sprite(hidden), psnr=33, model=tiny) for hidden in (0, noise))
    assert plain.data == noisy.data
    assert plain.psnr == noisy.psnr
    decoded = np.asarray(codec.decompress(plain.data, model=tiny))
    seen = decoded[..., 3] > 0
    error = np.square(decoded[seen].astype(float) - sprite(0)[seen])[:, :3].mean()
    assert plain.psnr == pytest.approx(-10 * np.log10(error / 255**2), abs=1e-6)


def test_a_picture_of_which_nothing_is_seen(tiny):
    nothing = np.zeros((70, 70, 4), np.uint8)
    nothing[..., :3] = 77
    assert codec.encode(nothing, psnr=30, model=tiny).level == 0
    coded = codec.encode(nothing, quality=50, model=tiny)
    assert not np.asarray(codec.decompress(coded.data, model=tiny))[..., 3].any()


def test_transparent_16_bit_greys_stay_transparent(tiny):
    image = Image.fromarray((np.add.outer(np.arange(64), np.arange(70)) * 400).astype(np.uint16))
    image.info["transparency"] = 400 * 50
    alpha = np.asarray(codec.decompress(codec.compress(image, model=tiny), model=tiny))[..., 1]
    assert np.array_equal(alpha == 0, np.add.outer(np.arange(64), np.arange(70)) == 50)


def test_a_codec_loads_whatever_the_default_type_of_numbers_is(tiny, photo):
    from yoto.apps.codec.model import opened as load_anew

    expected = codec.compress(photo, model=tiny)
    torch.set_default_dtype(torch.float64)
    try:
        loaded = load_anew.__wrapped__(DATA / "tiny.safetensors", (0.0, 0))
        assert codec.compress(photo, model=loaded) == expected
    finally:
        torch.set_default_dtype(torch.float32)
