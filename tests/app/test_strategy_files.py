"""A strategy of one's own: only what the caller names is loaded, and the bytes that are hashed are those that run."""

import hashlib
import sys
from pathlib import Path

import pytest

from c2lib.app.strategy_files import strategy_from_file, strategy_from_object
from c2lib.core.errors import ConfigError, StrategyLoadError
from c2lib.core.model import MAX_SOURCE_BYTES, Bar, PositionView, StrategySettings
from tests.app.hosted import SETTINGS as HOSTED
from tests.app.hosted import message_of
from tests.app.runs import BUYER

SETTINGS = StrategySettings(1, "SYNTH", "0.01", "1")


class Holder:
    """A strategy that holds."""

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings

    def on_bar(self, bar: Bar, view: PositionView) -> None:
        """Do nothing."""


def written(folder: Path, content: str | bytes) -> Path:
    """Write a strategy file and return its path."""
    path = folder / "mine.py"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_hash_is_of_file_bytes(tmp_path: Path) -> None:
    """The recorded hash of a strategy file is the SHA-256 of its bytes."""
    path = written(tmp_path, BUYER)
    source = strategy_from_file(f"{path}:Buyer")
    assert (source.origin, source.class_name) == ("file", "Buyer")
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_hashed_bytes_are_run(tmp_path: Path) -> None:
    """A change of the file behind the loading changes nothing."""
    path = written(tmp_path, "class Mine:\n    def __init__(self, settings): raise ValueError('first')\n")
    source = strategy_from_file(f"{path}:Mine")
    written(tmp_path, "raise RuntimeError('changed')\n")
    assert message_of(source) == "ValueError: first"


def test_loading_runs_no_code(tmp_path: Path) -> None:
    """A file's code runs in the host alone: neither its loading nor a session of this process runs it."""
    path = written(tmp_path, "import sys\nsys.ran = 1\nclass Mine:\n    def __init__(self, settings): pass\n")
    before = set(sys.modules)
    source = strategy_from_file(f"{path}:Mine")
    with pytest.raises(StrategyLoadError, match="runs in the strategy host"):
        source.factory(SETTINGS)
    assert message_of(source) == "AttributeError: 'Mine' object has no attribute 'on_bar'"
    assert set(sys.modules) == before
    assert not hasattr(sys, "ran")


def test_dataclass_may_be_strategy(tmp_path: Path) -> None:
    """A strategy may be a dataclass, because its module can be found while its code runs."""
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    body = "    settings: object\n    def on_bar(self, bar, view): raise ValueError(self.settings.symbol)\n"
    path = written(tmp_path, f"{text}@dataclass\nclass Mine:\n{body}")
    assert message_of(strategy_from_file(f"{path}:Mine")) == f"ValueError: {HOSTED.symbol}"


@pytest.mark.parametrize(
    "text",
    ["def Mine(settings): return settings", "Mine = print", "from os import path as Mine", "import os as Mine"],
)
def test_factory_has_any_form(tmp_path: Path, text: str) -> None:
    """A strategy may be a function, another name or an import at the top level of its file."""
    assert strategy_from_file(f"{written(tmp_path, text)}:Mine").origin == "file"


@pytest.mark.parametrize("spec", ["", "mine.py", "mine.py:", ":Mine", "mine.py:not a name", "mine.py:a.b"])
def test_spec_names_file_and_class(spec: str) -> None:
    """A strategy that is not written as FILE.py:CLASS raises an error that shows the form."""
    with pytest.raises(StrategyLoadError, match=r"does not name a strategy: write FILE\.py:CLASS$"):
        strategy_from_file(spec)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("class Mine:\n  def on_bar(self:\n", "mine.py, line 2: is no valid Python (SyntaxError)"),
        ("class Mine: pass\n\0", "mine.py: is no valid Python ("),
        (b"\xff\xfe", "is no valid Python (SyntaxError)"),
        ("return 1\n", "mine.py, line 1: is no valid Python (SyntaxError)"),
        ("x = " + "(" * 300 + ")" * 300, "is no valid Python ("),
        ("x = " + "-" * 100_000 + "1", "mine.py: is no valid Python ("),
        ("class Other: pass\n", "mine.py defines no Mine at its top level"),
        ("def make():\n    class Mine: pass\n", "mine.py defines no Mine at its top level"),
        ("print(Mine)\n", "mine.py defines no Mine at its top level"),
        ("", "mine.py defines no Mine at its top level"),
        (
            "from x import *\n",
            "defines no Mine at its top level (define it there, or import it by its name and not by *)",
        ),
        ("class Mines: pass\n", "mine.py defines no Mine at its top level (did you mean 'Mines'?)"),
    ],
)
def test_invalid_file_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """A file without the named strategy or with invalid Python raises a one-line error with file and line."""
    with pytest.raises(StrategyLoadError) as caught:
        strategy_from_file(f"{written(tmp_path, content)}:Mine")
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/mine.py")
    assert "\n" not in str(caught.value)


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a file over the size limit are refused as strategies."""
    with pytest.raises(StrategyLoadError, match=r"none\.py cannot be read: No such file or directory"):
        strategy_from_file(f"{tmp_path}/none.py:Mine")
    with pytest.raises(StrategyLoadError, match="cannot be read: it is a folder"):
        strategy_from_file(f"{tmp_path}:Mine")
    path = written(tmp_path, "#" * (MAX_SOURCE_BYTES + 1))
    with pytest.raises(StrategyLoadError, match="is larger than 1000000 bytes"):
        strategy_from_file(f"{path}:Mine")


def test_class_is_hashed_by_source() -> None:
    """The recorded hash of a strategy class is the SHA-256 of its source text."""
    source = strategy_from_object(Holder)
    lines = Path(__file__).read_text().splitlines(keepends=True)
    first = lines.index("class Holder:\n")
    last = next(number for number, line in enumerate(lines) if line == '        """Do nothing."""\n')
    text = "".join(lines[first : last + 1])
    assert (source.origin, source.class_name) == ("object", "Holder")
    assert source.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_sourceless_class_has_no_hash() -> None:
    """A class made at run time is accepted as a strategy and has no hash."""
    made = type("Made", (Holder,), {"__module__": "nowhere"})
    assert strategy_from_object(made).sha256 is None


def test_instance_is_refused() -> None:
    """An instance in place of a strategy class raises a ConfigError."""
    with pytest.raises(ConfigError, match="must be a class or factory"):
        strategy_from_object(Holder(SETTINGS))
