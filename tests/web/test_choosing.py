"""Choosing by eye, asked by the page: the questions of `yoto select --ask`, a request each."""

import math
import warnings

import pytest

from web import toys
from yoto.curves.selection.asking import Interview
from yoto.curves.selection.coordinates import Coordinates
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace
from yoto.web import choosing, server
from yoto.web.own import Own
from yoto.web.pages import all_pages

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer starlettes prefer a successor of httpx, older ones know httpx alone
    from starlette.testclient import TestClient

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 100.0))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    mixed = Own(str(toys.mixed(tmp_path_factory.mktemp("mixed") / "mixed.safetensors")))
    with TestClient(server.create({"model": mixed} | all_pages(), warm=False), base_url="http://127.0.0.1") as made:
        yield made


def answered(ask, favourite, name="size"):
    """Answer every question as somebody does whose favourite is known; the last response."""
    answers = []
    while (found := ask(answers))["pair"]:
        first, second = (abs(math.log(point[name] / favourite)) for point in found["pair"])
        answers.append("first" if first < second else "second")
    assert len(answers) == found["total"]
    return found["found"][name]


@pytest.mark.parametrize("favourite", [0.3, 5.0, 60.0])
def test_a_favourite_is_found_as_by_the_command(favourite):
    found = answered(lambda answers: choosing.question(Coordinates(SPACE), answers), favourite)
    assert abs(math.log(found / favourite)) < 0.1 * math.log(1000)
    interview = Interview(Coordinates(SPACE))
    for first, second in interview:
        nearer = abs(math.log(first[1] / favourite)) < abs(math.log(second[1] / favourite))
        interview.answer("first" if nearer else "second")
    assert interview.lam[1] == pytest.approx(found)


def test_the_number_of_the_question_and_the_favourite_so_far_are_said():
    first = choosing.question(Coordinates(SPACE), [])
    assert (first["number"], first["found"]["size"]) == (1, pytest.approx(10**0.5))
    low, high = (point["size"] for point in first["pair"])
    assert low < 10**0.5 < high
    after = choosing.question(Coordinates(SPACE), ["second"])
    assert after["number"] == 2
    assert after["found"]["size"] > first["found"]["size"]
    assert choosing.question(Coordinates(SPACE), ["same"])["found"]["size"] == pytest.approx(10**0.5)


def test_more_answers_than_questions_are_refused():
    with pytest.raises(YotoError, match=r"at most 7 answers. Found 9"):
        choosing.question(Coordinates(SPACE), ["same"] * 9)


@pytest.mark.parametrize(("page", "model", "name"), [("style", "", "style"), ("vae", "vae/shapes", "kl")])
def test_pages_ask(client, page, model, name):
    first = client.post(f"/api/choose/{page}", json={"answers": [], "model": model}).json()
    assert first["number"] == 1
    low, high = (point[name] for point in first["pair"])
    assert low < first["found"][name] < high


def test_what_cannot_be_asked_is_refused_in_a_line(client):
    for path, body, status in (
        ("compression", {"answers": []}, 404),
        ("model", {"answers": []}, 404),  # nothing draws there what it does
        ("nothing", {"answers": []}, 404),
        ("vae", {"answers": [], "model": "other"}, 422),
        ("style", {"answers": ["third"]}, 422),
        ("style", {"answers": ["same"] * 201}, 422),
        ("style", {"answers": ["same"] * 9}, 422),
    ):
        answer = client.post(f"/api/choose/{path}", json=body)
        assert (path, answer.status_code) == (path, status)
        assert answer.json()["error"]
