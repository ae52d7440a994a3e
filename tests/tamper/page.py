"""The figures of the campaign, and the tables of ``docs/tamper.md`` that are made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.tamper import kinds
from tests.tamper.judge import Proof

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tamper.md"
BEGIN, END = "<!-- made by: make tamper -->", "<!-- end of what make tamper made -->"

FOUND = ("alteration", "number", "found", *Proof)
REACH = ("alteration", "number", "told apart by the run alone", "found by `--expect-digest`", "found by the evidence")
EVIDENCE = ("alteration of the evidence file", "number", "found")

GROUPS: Mapping[str, tuple[kinds.Kind, ...]] = {
    "Without a look at the format": kinds.AS_IT_STANDS,
    "With the manifest rebuilt around it": kinds.MANIFEST_REBUILT,
    "With all that follows from it made to fit": kinds.FORGED,
}


class Figures(NamedTuple):
    """What a campaign counted: the numbers of each row by its title, and what was missed, by name."""

    found: Mapping[str, tuple[int, ...]]
    reach: Mapping[str, tuple[int, ...]]
    evidence: Mapping[str, tuple[int, ...]]
    missed: Sequence[str] = ()


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _table(header: Sequence[str], rows: Mapping[str, tuple[int, ...]], titles: Iterable[str]) -> list[str]:
    head = [_row(header), _row(["---", *("---:" for _ in header[1:])])]
    return [*head, *(_row((title, *(f"{number:,}" for number in rows[title]))) for title in titles), ""]


def tables(figures: Figures) -> str:
    """Return the section of the page that is made of figures."""
    every = (*figures.found.values(), *figures.evidence.values())
    number, found = (sum(row[at] for row in every) for at in (0, 1))
    beyond = sum(row[0] for row in figures.reach.values())
    lines = [
        f"**{number:,} alterations, {found:,} found, {number - found:,} missed.** Counted apart: {beyond:,} that are",
        "out of reach without an anchor. The untouched runs and their evidence are clean, executed again.",
        "",
    ]
    for group, members in GROUPS.items():
        lines += [f"### {group}", "", *_table(FOUND, figures.found, [kind.title for kind in members])]
    lines += ["### Out of reach without an anchor", ""]
    lines += _table(REACH, figures.reach, [kind.title for kind in kinds.OUT_OF_REACH])
    lines += ["### The evidence file", ""]
    lines += _table(EVIDENCE, figures.evidence, [kind.title for kind in kinds.EVIDENCE])
    lines += [f"* missed: {name}" for name in figures.missed]
    return "\n".join(lines).strip() + "\n"


def generated(page: str) -> str:
    """Return the section of a page between its markers."""
    _, _, rest = page.partition(f"{BEGIN}\n")
    return rest.partition(END)[0].strip() + "\n"


def with_tables(page: str, text: str) -> str:
    """Return a page with another section between its markers."""
    head, _, rest = page.partition(f"{BEGIN}\n")
    return f"{head}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}"


def parsed(text: str) -> Figures:
    """Return the figures that a generated section shows."""
    parts: list[dict[str, tuple[int, ...]]] = []
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].startswith("alteration"):
            parts.append({})
        elif re.fullmatch(r"[0-9,]+", cells[-1]):
            parts[-1][cells[0]] = tuple(int(cell.replace(",", "")) for cell in cells[1:])
    *found, reach, evidence = parts
    missed = [line.removeprefix("* missed: ") for line in text.split("\n") if line.startswith("* missed: ")]
    return Figures({title: row for part in found for title, row in part.items()}, reach, evidence, missed)
