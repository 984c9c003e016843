import io
import re
import sys

from yoto.training import progress
from yoto.training.progress import Progress, clock


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = Progress(1000, 100, label="run")
    for step in (200, 300, 400, 1000):
        now[0] += 20.0
        shown.report(step, {"loss": 12.345678})
    shown.close()
    assert capsys.readouterr().err.splitlines() == [
        "run: step 300 of 1000, loss 12.346, 5 steps/s, about 2:20 left",
        "run: step 1000 of 1000, loss 12.346, 11.2 steps/s",
    ]


def test_silence(capsys):
    shown = Progress(10, 0, label="run", shown=False)
    shown.report(10, {"loss": 1.0})
    shown.close()
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    shown = Progress(10, 0, label="run")
    shown.last = 0.0
    shown.move(7)
    assert shown.bar.tasks[0].completed == 7
    shown.report(10, {"loss": 1.5})
    shown.close()
    assert "10/10" in screen.getvalue()
    assert re.search(r"loss\s+1.5", screen.getvalue())


def test_clock():
    assert [clock(seconds) for seconds in (0.4, 65, 7325)] == ["0:00", "1:05", "2:02:05"]
