from __future__ import annotations

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from curves.curves import comparison, contender, curve
from yoto.curves import TradeoffCurve
from yoto.report.report import comparison_text, report_comparison, report_sweep

TILE = np.zeros((20, 40, 3), np.uint8)
PICTURES = {"conditional": {"β = 0.5": TILE}, "trained for it alone": {"β = 0.5": TILE}}
VOID = {"meta", "img", "source", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Collects addresses, images and text, and checks that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.alts, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [values[name] for name in ("src", "href", "srcset") if name in values]
        if tag == "img":
            self.alts.append(values.get("alt", ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report_comparison(comparison(), folder, PICTURES)
    return folder


def test_every_file_is_there(folder):
    names = {"report.html", "report.md", "report.json", "table.csv", "tradeoff.png", "regret.png", "samples.png"}
    assert {path.name for path in folder.iterdir()} == names


def test_the_page_asks_for_nothing_and_describes_its_images(folder):
    page = Page()
    text = (folder / "report.html").read_text("utf-8")
    page.feed(text)
    assert not page.open
    assert len(page.alts) == 3
    assert all(len(alt) > 20 for alt in page.alts)
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    for word in ("http", "url(", "@import", "<script", "{{"):
        assert word not in text.replace("<!doctype html>", "")
    assert "prefers-color-scheme: dark" in text


def test_the_page_says_what_was_compared_and_how_well_it_went(folder):
    page = Page()
    page.feed((folder / "report.html").read_text("utf-8"))
    text = "".join(page.text).replace("\xa0", " ")
    assert "One conditional network was trained to serve every trade-off with β from 0.5 to 128" in text
    assert "100 test examples of toys" in text
    assert "floor" in text


def test_names_are_escaped(tmp_path):
    report_comparison(comparison(title="<b>&{{body}}"), tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;{{body}}" in text


def test_json_has_every_number(folder):
    values = json.loads((folder / "report.json").read_text("utf-8"))
    assert values["measure"] == "excess"
    assert values["reference_point"] == {"reconstruction": 400.0, "kl": 20.0}
    first = values["contenders"][0]
    expected = [(44 / 40 * 102 / 100 * 196 / 195) ** (1 / 3), (46 / 40 * 104 / 100 * 196 / 195) ** (1 / 3)]
    assert first["mean"]["excess"]["mean"] == pytest.approx(sum(expected) / 2)
    assert first["mean"]["excess"]["low"] == pytest.approx(expected[0])
    assert first["mean"]["difference"]["mean"] == pytest.approx(3.0)
    assert first["worst_point"] == {"kl": 0.5}
    assert TradeoffCurve.from_dict(first["curves"][0]).loss == (234.0, 292.0, 386.0)
    assert values["spent"]["steps"] == 100 * (2 * 2 + 2 * 3)


def test_csv_has_a_row_per_model_seed_and_point(folder):
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 3
    assert {row["model"] for row in rows} == {"fixed", "conditional-1x", "paper"}
    row = next(r for r in rows if r["model"] == "conditional-1x" and r["seed"] == "1" and r["point.kl"] == "8.0")
    assert float(row["difference"]) == pytest.approx(4.0)
    assert float(row["excess_ratio"]) == pytest.approx(1.04)


def test_markdown_and_terminal_show_the_same_figures(folder):
    text = (folder / "report.md").read_text("utf-8")
    assert "| conditional, 1x | 1.125 | 1.030 | 1.005 |" in text
    assert "![" in text
    table = comparison_text(comparison())
    assert "1.125" in table
    assert "geometric mean" in table
    assert "seeds 0, 1" in table
    assert max(map(len, table.splitlines())) < 160


def test_parameters_that_are_the_same_everywhere_are_named_once(tmp_path):
    points = tuple({"kl": beta, "offset": 0.25} for beta in (0.5, 8.0, 128.0))
    wide = {"parameters": ("kl", "offset"), "points": points}
    losses = ((234.0, 292.0, 386.0), (236.0, 294.0, 386.0))
    made = comparison(
        points=points,
        references=(curve(**wide), curve(**wide)),
        contenders=(contender(curves=tuple(curve(loss, **wide) for loss in losses)),),
    )
    report_comparison(made, tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "| model | β = 0.5 | β = 8 | β = 128 |" in text
    assert text.count("offset") == 1
    assert "Everywhere offset = 0.25." in text
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("offset") == 1
    assert "trained for one β alone" in page


def test_a_loss_that_crosses_zero_is_reported_as_a_difference(tmp_path):
    made = comparison(
        references=(curve((-10.0, 20.0, 30.0)),),
        reference_costs=comparison().reference_costs[:1],
        seeds=(0,),
        floor=None,
        contenders=(contender(losses=[(-9.0, 21.0, 33.0)]),),
    )
    report_comparison(made, tmp_path)
    assert "+1.67" in comparison_text(made)
    assert "seed 0" in comparison_text(made)
    assert "ratio" not in comparison_text(made)
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["measure"] == "difference"
    assert "floor" not in (tmp_path / "report.md").read_text("utf-8")


def test_a_sweep_is_written_as_table_json_and_figure(tmp_path):
    paths = report_sweep(curve(), tmp_path)
    assert [path.name for path in paths] == ["curve.csv", "curve.json", "curve.png"]
    assert all(path.stat().st_size for path in paths)
    assert TradeoffCurve.from_json(paths[1]) == curve()
