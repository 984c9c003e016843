"""Whose code an error comes from."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

import yoto
from yoto import YotoError
from yoto.support.whose import blamed, is_users, places


def fails(x):
    return torch.ones(2, 3) @ x


def caught(function, *arguments):
    with pytest.raises(Exception) as found:  # noqa: PT011 - of many kinds
        function(*arguments)
    return found.value


def test_it_names_the_innermost_place_in_the_users_code_not_the_library_that_raised(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    found = blamed(caught(fails, "text"))
    line = fails.__code__.co_firstlineno + 1
    assert found.startswith(f"your code failed at test_whose.py, line {line} in fails: TypeError: ")
    assert "\n" not in found


def test_code_of_yoto_and_of_libraries_is_nobodys_fault_but_theirs():
    error = YotoError("internal")
    error.__traceback__ = None
    assert blamed(error) is None
    for file in (torch.__file__, pytest.__file__, yoto.__file__, json.__file__, "<frozen os>"):
        assert not is_users(file)


def test_an_installed_package_counts_where_it_brings_a_task():
    assert is_users(pytest.__file__, [str(Path(pytest.__file__).parent)])


def test_a_file_that_does_not_parse_is_named(tmp_path):
    file = tmp_path / "task.py"
    file.write_text("x = = 1\n")
    error = caught(compile, file.read_text(), str(file), "exec")
    assert blamed(error) == f"your code failed at {file}, line 1: SyntaxError: invalid syntax"


@pytest.mark.slow
def test_an_error_of_another_process_is_understood():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = caught(pool.submit(fails, "text").result)
    assert any(function == "fails" for _, _, function in places(error))
    assert " in fails: TypeError" in blamed(error)
