"""Runs that the app publishes: of a strategy file in a process of its own, in both layers, its file kept or not."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import FailCode, RejectCode
from tests.app.attempts import refusal_here
from tests.app.runs import market_csv

FILE = '''
import os, random, socket, time
from c2lib import CancelIntent, OrderIntent

class Busy:
    """größer 中文"""

    def __init__(self, settings):
        self.draw, self.params = random.Random(settings.seed), settings.params
        self.at(-1)

    def on_bar(self, bar, view):
        self.at(bar.bar_index)
        if view.open_orders and self.draw.random() < 0.3:
            return [CancelIntent(view.open_orders[0].client_order_id)]
        kind = self.draw.choice(("MARKET", "LIMIT", "STOP", "STOP_LIMIT"))
        limit = bar.close + self.draw.randint(-9, 9) if "LIMIT" in kind else None
        stop = bar.close + self.draw.randint(-9, 9) if "STOP" in kind else None
        held = self.draw.choice(("GTC", "IOC", "FOK", "DAY"))
        return [OrderIntent(self.draw.choice(("BUY", "SELL")), 1, kind, limit, stop, held, "größer")]

    def at(self, index):
        pass

class AtItsBar(Busy):
    def at(self, index):
        if index == self.params["at"]:
            self.end()

class Raises(AtItsBar):
    def end(self):
        raise ValueError("keine Ahnung, größer")

class Leaves(AtItsBar):
    def end(self):
        try:
            socket.socket()
        except Exception:
            pass

class Exits(AtItsBar):
    def end(self):
        os._exit(0)

class Hangs(AtItsBar):
    def end(self):
        time.sleep(60)

class Floods(AtItsBar):
    def on_bar(self, bar, view):
        return [OrderIntent("BUY", 1)] * 1_000_000 if bar.bar_index == self.params["at"] else None

class Nonsense(Busy):
    def on_bar(self, bar, view):
        return "BUY"
'''
"""A strategy file with a class for each way in which a session goes."""


class Ending(NamedTuple):
    """A class of the file, the bar at which it ends the session (-1: while it is made), and the code."""

    class_name: str
    at: int | None
    code: FailCode | None


ENDINGS: Mapping[str, Ending] = {
    "completes": Ending("Busy", None, None),
    "raises": Ending("Raises", 3, FailCode.EXCEPTION),
    "raises when made": Ending("Raises", -1, FailCode.EXCEPTION),
    "answers nonsense": Ending("Nonsense", None, FailCode.EXCEPTION),
    "leaves": Ending("Leaves", 3, FailCode.NO_LIVE_VIOLATION),
    "leaves when made": Ending("Leaves", -1, FailCode.NO_LIVE_VIOLATION),
    "exits": Ending("Exits", 0, FailCode.STRATEGY_EXITED),
    "exits when made": Ending("Exits", -1, FailCode.STRATEGY_EXITED),
    "hangs": Ending("Hangs", 2, FailCode.STRATEGY_TIMEOUT),
    "floods": Ending("Floods", 2, FailCode.STRATEGY_PROTOCOL),
}

CASES = [(name, layer, number % 3 != 0) for number, (name, layer) in enumerate(product(ENDINGS, ("hook", "namespace")))]
"""Each ending in each layer, the file kept two times in three."""


def published(folder: Path, name: str, layer: str, kept: bool) -> Path:
    """Publish a run and return its directory."""
    ending = ENDINGS[name]
    file = folder / "own.py"
    file.write_text(FILE)
    values: dict[str, Any] = {
        "strategy_id": "own",
        "strategy_allowlist": ("own",),
        "strategy": {"params": {} if ending.at is None else {"at": ending.at}},
        "strategy_timeout_s": 1 if name == "hangs" else 60,
        "keep_strategy": kept,
        "no_live_required": layer,
        "seed": len(name),
        "steps": 12,
    }
    result = run_dryrun(
        DryrunConfig(**values),
        out_dir=folder,
        strategy=f"{file}:{ending.class_name}",
        market=market_csv(folder / "bars.csv") if kept else None,
    )
    if layer == "namespace" and refusal_here():
        assert result.reject_code == RejectCode.NO_LIVE_GUARD
    else:
        assert (result.reject_code, result.fail_code) == (None, ending.code)
    assert result.path is not None
    return Path(result.path)
