"""Reads the outline of a draft, line by line, without a markdown library."""

import re
from typing import NamedTuple


class Outline(NamedTuple):
    """Headings, the cells of each table row by table, how many list items and fences, tags, pictures."""

    headings: list[str]
    tables: list[list[int]]
    bullets: int
    tags: set[str]
    pictures: list[str]
    fences: int


def outline(text: str) -> Outline:
    """Return the outline of a draft; a code span counts as the tag that it is."""
    text, fences = re.subn(r"(?ms)^```bash\n.*?^```$", "", text)
    text = re.sub(r"(?m)(?<!`)`(?!`)([^`\n]+)`", "<code></code>", text)
    headings: list[str] = []
    tables: list[list[int]] = []
    bullets, inside = 0, False
    for line in text.split("\n"):
        if line.startswith("|"):
            if not inside:
                tables.append([])
            tables[-1].append(line.count("|") - 1)
        inside = line.startswith("|")
        headings += [line] if line.startswith("#") else []
        bullets += line.lstrip().startswith("- ")
    return Outline(
        headings,
        tables,
        bullets,
        set(re.findall(r"<[^>]*>?", text)),
        re.findall(r"!\[[^\]]*\]\([^)]*\)", text),
        fences,
    )
