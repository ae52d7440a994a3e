"""A run as series to draw and tabulate.

Rules kept here:

* the numbers are the witness's: position and equity after each tick come from the refolded books;
* it is tolerant where the examination is strict: lines that cannot be used are left out, and what is wrong with
  them is :func:`~c2lib.witness.examine.examine`'s to say;
* unlike an examination it keeps every tick, order and fill: memory grows with the run.

>>> read_series("/nowhere/at/all")
Traceback (most recent call last):
c2lib.core.errors.RunPathError: /nowhere/at/all is no directory that can be read (ENOENT): name a run directory
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from c2lib.core.errors import RunPathError
from c2lib.core.vocabulary import Artifact, EventKind
from c2lib.witness.examine import look
from c2lib.witness.facts import BarPoint, FillPoint, OrderPoint, RunSeries
from c2lib.witness.refold import Books, decimal_text


class _Collector:
    """Keeps a point for every tick, order and fill that it is told of."""

    def __init__(self) -> None:
        self.bars: list[BarPoint] = []
        self.orders: list[OrderPoint] = []
        self.fills: list[FillPoint] = []

    def __call__(self, event: Mapping[str, Any], books: Books) -> None:
        kind, payload, ts_sim = event["event_type"], event["payload"], event["ts_sim"]
        if kind == EventKind.STRATEGY_TICK:
            self._tick(payload, ts_sim, books)
        elif kind == EventKind.ORDER_SUBMITTED:
            name, side, quantity = payload["client_order_id"], payload["side"], payload["quantity"]
            self.orders.append(OrderPoint(payload["bar_index"], ts_sim, name, side, quantity))
        elif kind == EventKind.FILL:
            self._fill(payload, ts_sim, event["event_id"])

    def _tick(self, payload: Mapping[str, Any], ts_sim: int, books: Books) -> None:
        self.bars.append(
            BarPoint(
                bar_index=payload["bar_index"],
                bar_time=payload["bar_time"],
                ts_sim=ts_sim,
                close=payload["close"],
                decision=payload["decision"],
                position=decimal_text(books.position),
                equity=decimal_text(books.equity),
            )
        )

    def _fill(self, payload: Mapping[str, Any], ts_sim: int, event_id: str) -> None:
        self.fills.append(
            FillPoint(
                bar_index=payload["bar_index"],
                ts_sim=ts_sim,
                event_id=event_id,
                client_order_id=payload["client_order_id"],
                side=payload["side"],
                quantity=payload["quantity"],
                price=payload["price"],
                fee=payload["fee"],
            )
        )


def read_series(path: str | os.PathLike[str]) -> RunSeries:
    """Return ticks, orders and fills of a run directory, and its summary.

    Raises :class:`RunPathError` when there is no directory at ``path`` or its events cannot be read at all.
    """
    points = _Collector()
    examination, read = look(path, points)
    if Artifact.EVENTS not in read:
        raise RunPathError(f"{examination.path}: {Artifact.EVENTS} cannot be read")
    return RunSeries(examination.summary, tuple(points.bars), tuple(points.orders), tuple(points.fills))
