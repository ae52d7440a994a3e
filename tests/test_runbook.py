"""What the operator's runbook shows in two languages is what the commands take and write today."""

import re
import shlex
from pathlib import Path

import pytest

from c2lib.cli.main import _parser, main
from c2lib.core.vocabulary import MIN_EQUITY, FailCode, RejectCode

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {language: (DOCS / f"operator-runbook{language}.md").read_text(encoding="utf-8") for language in ("", ".de")}


def commands_of(page: str) -> list[str]:
    """Return the commands of a page's blocks, each on one line."""
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return "".join(blocks).replace("\\\n", " ").splitlines()


def symptoms_of(page: str) -> list[list[str]]:
    """Return the code words in the first cell of each row of the page's last table, what can be wrong."""
    rows = page.rpartition("\n## ")[2].splitlines()
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows if row.startswith("| `")]


def test_both_languages_show_the_same() -> None:
    """The English and the German runbook have the same commands, and rows for the same codes in the same order."""
    assert commands_of(PAGES[""]) == commands_of(PAGES[".de"])
    assert symptoms_of(PAGES[""]) == symptoms_of(PAGES[".de"])
    assert len(symptoms_of(PAGES[""])) >= len(FailCode)


@pytest.mark.parametrize("language", PAGES)
def test_runbook_commands_are_understood(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of c2lib in a runbook, and each flag that its text names, is one that the command line takes."""
    page = PAGES[language]
    shown = [shlex.split(line.replace("<run_id>", "x"))[1:] for line in commands_of(page) if "/c2lib " in line]
    assert len(shown) >= 4
    for words in shown:
        _parser(words)[0].parse_args(words)
    for name in ("dryrun", "verify", "evidence"):
        main([name, "--help"])
    helps = capsys.readouterr().out
    for flag in set(re.findall(r"`(--[a-z-]+)", page)):
        assert flag in helps, flag


@pytest.mark.parametrize("language", PAGES)
def test_runbook_has_every_rule(language: str) -> None:
    """A runbook explains every failure, an empty value, exit 2 of verify, a renamed folder, and what cash refuses."""
    page = PAGES[language]
    words = [*FailCode, RejectCode.NO_LIVE_GUARD, MIN_EQUITY, "insufficient_funds", "day_never_fills", "too_late"]
    for word in (*words, "unknown_order", '--market ""', "`note`", "--run-kept-strategy", "--tick-size"):
        assert word in page, word
    assert len(re.findall(r"Exit(?:-Code)? 2 ", page)) == 1
