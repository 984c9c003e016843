"""Values, inputs and outputs as a command line gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yoto.cli import checks, output


@pytest.mark.parametrize(("text", "expected"), [("4", [4.0]), ("0.5, 2,8", [0.5, 2.0, 8.0]), ("1e-3,", [1e-3])])
def test_numbers(text, expected):
    assert checks.numbers(text, "--beta") == expected


@pytest.mark.parametrize("text", ["", ",", "a", "1;2", "nan", "1,inf"])
def test_numbers_refuses(text):
    with pytest.raises(checks.UsageError, match="--beta should be a number"):
        checks.numbers(text, "--beta")


def test_lists_keeps_names_as_text_and_joins_repeated_ones():
    found = checks.lists(["kl=0.5,2", "style=waves,mill", "kl=8"], "--fixed")
    assert found == {"kl": [0.5, 2.0, 8.0], "style": ["waves", "mill"]}


@pytest.mark.parametrize("text", ["kl", "=3", "kl=", "kl=,"])
def test_lists_refuses(text):
    with pytest.raises(checks.UsageError, match="NAME=VALUE"):
        checks.lists([text], "--fixed")


def test_output_folder_may_be_there_and_empty(tmp_path):
    assert checks.output_folder(tmp_path, force=False) == tmp_path
    assert checks.output_folder(tmp_path / "new" / "er", force=False) == tmp_path / "new" / "er"
    assert not list(tmp_path.iterdir())


def test_standard_output_needs_no_check():
    assert checks.output_file(Path("-"), force=False) == Path("-")


def test_table_aligns_text_left_and_numbers_right():
    rows = [("a", 1.0, None), ("long", 12345.678, "x")]
    assert output.table(("name", "n", "w"), rows) == "name          n  w\na             1  -\nlong  1.235e+04  x"


def test_json_is_json(capsys):
    output.print_json({"β": 1.0})
    assert json.loads(capsys.readouterr().out) == {"β": 1.0}


@pytest.mark.parametrize("name", ["mine", "my own/één", "a..b"])
def test_a_folder_is_named_after_a_recipe(name):
    assert checks.folder_named("runs", name) == Path("runs") / name


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../mine", "a/../../b", "/tmp/mine"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(checks.UsageError, match="give -o"):
        checks.folder_named("runs", name)
