"""What docs/write-a-strategy.md shows is executed, and its tables name everything that a strategy is given."""

import re
import shlex
from collections import Counter
from pathlib import Path

from c2lib import Bar, OpenOrder, PositionView, StrategySettings, open_run
from c2lib.core.model import ENTRY_SCALE
from tests.app.runs import codes, in_process_of_its_own

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "write-a-strategy.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the one fenced block of a language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def test_shown_strategy_runs(tmp_path: Path) -> None:
    """The strategy of the page, run by the page's command, trades as the page says and passes verify with replay."""
    (tmp_path / "dip.py").write_text(block("python"), encoding="utf-8")
    program, *arguments = shlex.split(block("bash"))
    answer = in_process_of_its_own(*arguments, cwd=tmp_path)
    assert (program, answer.code, answer.facts["status"]) == ("c2lib", 0, "COMPLETED")
    place = tmp_path / answer.facts["path"]
    with open_run(place) as run:
        kinds = Counter(event.event_type for event in run.events())
        orders = list(run.orders())
    assert {(order.side, order.order_type, order.tag) for order in orders} == {
        ("BUY", "LIMIT", "entry"),
        ("SELL", "STOP", "stop"),
    }
    assert min(kinds["FILL"], kinds["ORDER_CANCELLED"]) > 2
    assert max(float(order.quantity) for order in orders) <= 200
    assert codes(place, strategy=f"{tmp_path / 'dip.py'}:Dip") == []


def test_tables_name_every_field() -> None:
    """The page names every field and method of settings, bar, view and open order, and how the average is rounded."""
    named = set(re.findall(r"`(\w+)(?:\(\w*\))?`", PAGE))
    inner = {"entry_units", "cash_units", "money_scale", "equity_units"}
    public = {
        name
        for kind in (StrategySettings, Bar, PositionView, OpenOrder)
        for name in {*kind._fields, *vars(kind)}
        if not name.startswith("_")
    }
    assert public - inner <= named
    assert ("a billionth of a tick" in PAGE) == (ENTRY_SCALE == 9)
