"""Values in messages and reports: shown on one line, and where two of them differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any, AnyStr

from c2lib.core.redaction import redact_secrets

MAX_SHOWN = 200
"""Longest text that :func:`shown` returns, in characters."""

MAX_QUOTED = 40
"""Most characters of a text that :func:`quoted` repeats."""

ABSENT = object()
"""Stands for the side of a difference that has no such field."""


def shown(value: object) -> str:
    r"""Return a value of a run as one line of printable ASCII without secrets, at most :data:`MAX_SHOWN` characters.

    >>> shown("6\n7"), shown(None), shown([1])
    ('6\\n7', 'null', 'a list')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    # more is searched for secrets than is shown, since one may begin within that and end after it
    text = redact_secrets(str(value)[: 8 * MAX_SHOWN])[: MAX_SHOWN + 1].encode("unicode_escape").decode("ascii")
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def quoted(text: str) -> str:
    """Return a text of the caller's in quotes, escaped, cut after :data:`MAX_QUOTED` characters."""
    return repr(text[:MAX_QUOTED]) + ("…" if len(text) > MAX_QUOTED else "")


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "did you mean …?" with the nearest of ``known``, or ``otherwise`` where none is near."""
    every = list(known)
    close = difflib.get_close_matches(name, every, n=1) or [one for one in every if len(name) > 2 and name in one]
    return f"did you mean {close[0]!r}?" if close else otherwise


def one_line(text: str) -> str:
    r"""Return a whole message with everything escaped that is not printable.

    >>> one_line("left\nright")
    'left\\nright'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def first_difference(left: AnyStr, right: AnyStr) -> int:
    """Return the index of the first character or byte in which two texts differ, or the length of the shorter one.

    >>> first_difference("abcd", "abxd"), first_difference(b"ab", b"abc")
    (2, 2)
    """
    same, end = 0, min(len(left), len(right))
    while same < end:
        middle = (same + end + 1) // 2
        if left[same:middle] == right[same:middle]:
            same = middle
        else:
            end = middle - 1
    return same


def excerpts(left: str, right: str, *, before: int, limit: int | None = None) -> tuple[str, str]:
    """Return both texts from shortly before their first difference on.

    >>> excerpts("one two three", "one two four", before=4, limit=8)
    ('two thre', 'two four')

    Args:
        left: one text.
        right: the other.
        before: characters shown before the first difference.
        limit: most characters of each excerpt; ``None`` is no bound.
    """
    start = max(0, first_difference(left, right) - before)
    end = None if limit is None else start + limit
    return left[start:end], right[start:end]


def field_differences(left: Any, right: Any, name: str = "", *, within_lists: bool) -> Iterator[tuple[str, Any, Any]]:
    """Yield name and both sides of each field in which two JSON values differ; a missing side is :data:`ABSENT`.

    >>> list(field_differences({"a": [1, {"b": 2}], "c": 1}, {"a": [1, {"b": 3}], "c": 1}, within_lists=True))
    [('a[1].b', 2, 3)]

    Args:
        left: one value.
        right: the other.
        name: the dotted name of the two.
        within_lists: whether lists are compared item by item; else they differ as a whole.
    """
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            inner = f"{name}.{key}" if name else key
            yield from field_differences(
                left.get(key, ABSENT), right.get(key, ABSENT), inner, within_lists=within_lists
            )
    elif within_lists and isinstance(left, list) and isinstance(right, list):
        for at, pair in enumerate(zip_longest(left, right, fillvalue=ABSENT)):
            yield from field_differences(*pair, f"{name}[{at}]", within_lists=True)
    elif left != right or type(left) is not type(right):
        yield name, left, right
