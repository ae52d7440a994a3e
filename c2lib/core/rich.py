"""Results that show themselves: one line at a prompt, tables in a notebook, data frames of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, NamedTuple

from c2lib.core.errors import ConfigError, MissingExtraError
from c2lib.core.html import cell_text, facts_table, rows_table
from c2lib.core.text import quoted

_INTEGERS = dict.fromkeys(("line", "same", "differing", "only_a", "only_b"), "int64")


class Look(NamedTuple):
    """Attributes that a result shows, dotted where they lie deeper; ``tables`` maps tuples of rows to their columns."""

    title: str
    status: str
    facts: str
    tables: Mapping[str, str] = {}


class Rich:
    """A result that shows itself as its ``_look`` says; what is empty is left out."""

    __slots__ = ()
    _look: ClassVar[Look]

    def __repr__(self) -> str:
        facts = islice(self._named(" ".join(self._look[:3])), 6)
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in facts)})"

    def _repr_html_(self) -> str:
        title, status, facts, tables = self._look
        name, word = attrgetter(title, status)(self)
        shown = [facts_table(f"{type(self).__name__} {cell_text(name)}", word, self._named(facts))]
        for table, columns in tables.items():
            rows, names = attrgetter(table)(self), columns.split()
            if rows:
                get = itemgetter if isinstance(rows[0], dict) else attrgetter
                shown.append(rows_table(table, names, map(get(*names), rows), len(rows)))
        return "\n".join(shown)

    def _named(self, names: str) -> Iterator[tuple[str, str]]:
        for name in names.split():
            value = attrgetter(name)(self)
            if value not in (None, "", (), [], {}):
                # a summary's facts are those of its run
                yield name.removeprefix("summary."), cell_text(value)


class RichRows(Rich):
    """One whose tables can be had as data frames."""

    __slots__ = ()

    def to_pandas(self, table: str) -> Any:
        """Return a table that the HTML shows as a ``pandas.DataFrame``, all of its rows.

        Counts and numbers of lines are ``int64``, every other column holds objects, ``None`` for what is not there.

        Args:
            table: its name, such as ``findings`` of a report, ``causes`` or ``events.counts`` of a difference.

        Raises:
            ConfigError: there is no table of that name.
            MissingExtraError: pandas is not installed.
        """
        if table not in self._look.tables:
            raise ConfigError("table", f"must be one of {', '.join(self._look.tables)}, got {quoted(table)}")
        columns = self._look.tables[table].split()
        return data_frame(columns, map(attrgetter(*columns), attrgetter(table)(self)), _INTEGERS)


def data_frame(columns: Sequence[str], rows: Iterable[Sequence[Any]], dtypes: Mapping[str, str]) -> Any:
    """Return a ``pandas.DataFrame`` of rows, with dtypes by name; a column without holds objects."""
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("to_pandas", "explore") from None
    frame = pandas.DataFrame(rows, columns=list(columns), dtype="object")
    return frame.astype({name: dtypes[name] for name in columns if name in dtypes})
