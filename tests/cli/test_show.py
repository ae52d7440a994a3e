"""``c2lib show``: the facts of a run for people and for programs, and its tear sheet as a picture."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from c2lib import open_run, plot
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import RUN, flip_byte, manifest_of


def test_facts_are_those_of_run(command: Command, published: Path) -> None:
    """The facts of a run are those of its summary, its course and its figures, as one JSON line with exit code 0."""
    answer = command("show", published)
    assert (answer.code, answer.err) == (0, "")
    facts, run = answer.facts, open_run(published)
    trips = list(run.round_trips())
    assert (facts["path"], facts["verdict"], facts["findings"]) == (str(published), "SEALED", 0)
    assert (facts["run_id"], facts["status"], facts["seed"]) == (RUN, "COMPLETED", 7)
    assert (facts["fills"], facts["trades"], facts["bars"]) == (len(list(run.fills())), len(trips), 64)
    assert facts["run_digest"] == manifest_of(published)["run_digest"]
    assert (facts["period"], facts["interval"]) == (["2026-01-01 00:00", "2026-01-01 01:03"], "1 min")
    assert {type(value) for value in facts.values()} <= {str, int, list, type(None)}


def test_text_is_a_table(command: Command, published: Path) -> None:
    """Asked for text, the command prints a fact a line, the same as in JSON, with a dash for what there is not."""
    facts = command("show", published).facts
    lines = command("show", published, "--text").out.splitlines()
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert shown.pop("period") == ", ".join(facts.pop("period"))
    assert shown == {name: "-" if value is None else str(value) for name, value in facts.items()}
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in lines}) == 1


def test_terminal_gets_a_table(published: Path) -> None:
    """At a terminal a command prints text without being asked for, and JSON where it is asked for."""
    told = []
    for words in ((), ("--json",)):
        reader, terminal = os.openpty()
        subprocess.run([sys.executable, "-m", "c2lib", "show", published, *words], stdout=terminal, check=True)
        os.close(terminal)
        told.append(os.read(reader, 100_000).decode())
        os.close(reader)
    assert told[0].splitlines()[1].split() == ["verdict", "SEALED"]
    assert told[1].startswith('{"path": ')


@pytest.mark.parametrize("form", ["png", "svg"])
def test_picture_is_tear_sheet(command: Command, published: Path, tmp_path: Path, form: str) -> None:
    """The picture is the tear sheet of the run in the form that the file's name asks for, in a folder that is made."""
    file = tmp_path / "deep" / f"run.{form}"
    answer = command("show", published, "--picture", file)
    assert (answer.code, answer.facts["picture"]) == (0, str(file))
    sheet = plot.tear_sheet(open_run(published))
    assert file.read_bytes() == plot.image(sheet, "png" if form == "png" else "svg")


def test_nothing_is_written_unasked(command: Command, published: Path, out: Path) -> None:
    """Without a picture the command writes nothing."""
    before = sorted(out.rglob("*"))
    command("show", published)
    assert sorted(out.rglob("*")) == before


def test_damaged_run_exits_1(command: Command, published: Path) -> None:
    """The facts of a damaged run are shown with exit code 1, and what is wrong is said on stderr."""
    flip_byte(published / Artifact.AUDIT, 3)
    answer = command("show", published)
    assert (answer.code, answer.facts["findings"] > 0) == (1, True)
    assert answer.err.startswith("c2lib: finding: ")


def test_unreadable_log_exits_2(command: Command, published: Path) -> None:
    """A run whose event log is not there is exit code 2 with the name of the run."""
    (published / Artifact.EVENTS).unlink()
    answer = command("show", published)
    assert (answer.code, answer.out) == (2, "")
    assert answer.complaint.startswith(str(published))


def test_missing_matplotlib_is_named(
    command: Command, published: Path, tmp_path: Path, without: Callable[[str], None]
) -> None:
    """Without matplotlib a picture is refused with the extra to install, and no file is made."""
    without("matplotlib")
    answer = command("show", published, "--picture", tmp_path / "run.png")
    assert (answer.code, "c2lib[notebooks]" in answer.complaint) == (2, True)
    assert not (tmp_path / "run.png").exists()


def test_secret_of_run_is_redacted(command: Command, published: Path) -> None:
    """A secret in a manifest's strategy_id is not repeated."""
    secret = "gh" + "p_" + "a1B2" * 9
    for name in (Artifact.EVENTS, Artifact.AUDIT, Artifact.SNAPSHOTS, Artifact.METRICS, Artifact.MANIFEST):
        (published / name).write_text((published / name).read_text().replace("strat_demo", secret))
    answer = command("show", published)
    assert secret not in answer.out + answer.err
