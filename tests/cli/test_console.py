"""What the command line says to people."""

import io
import sys

import pytest

from c2lib.cli.console import ProgressBar, is_terminal, say, show
from c2lib.core.text import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("colour \x1b[31m", "colour \\x1b[31m"),
        ("line\u2028separator", "line\\u2028separator"),
        ("bytes \udce9", "bytes \\udce9"),
    ],
)
def test_message_is_one_line(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    """A message is one line in which unprintable characters are escaped, so that no value forges a line."""
    assert one_line(text) == shown
    say(text)
    show(text)
    captured = capsys.readouterr()
    assert (captured.err, captured.out) == (f"c2lib: {shown}\n", f"{shown}\n")


def test_unencodable_letters_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters that the encoding of stdout cannot represent are printed escaped."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    show("é")
    sys.stdout.flush()
    assert raw.getvalue() == b"\\xe9\n"


def test_closed_streams_raise_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing with closed stdout and stderr raises nothing, and there is no terminal."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    say("nothing")
    show("nothing")
    assert not is_terminal()


def test_pipe_is_no_terminal() -> None:
    """A captured stderr is no terminal."""
    assert not is_terminal()


def test_progress_needs_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is shown only at a terminal, one bar for each unit, and none for what is done at once."""
    with ProgressBar() as bar:
        bar("B", 1, 10)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("c2lib.cli.console.is_terminal", lambda: True)
    with ProgressBar() as bar:
        bar("B", 10, 10)
        bar("step", 5, 5)
    assert capsys.readouterr().err == ""
    with ProgressBar() as bar:
        bar("B", 1000, 3000)
        bar("B", 3000, 3000)
        bar("step", 1, 7)
    shown = capsys.readouterr()
    assert "/3.00k" in shown.err
    assert "/7" in shown.err
    assert shown.out == ""
