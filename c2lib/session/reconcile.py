"""Compares what the session believes with what the broker reports; comparing changes nothing on either side."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from c2lib.broker.port import OrderReport
from c2lib.core.states import OrderStatus
from c2lib.session.ledger import LocalOrder


class Mismatch(StrEnum):
    """The differences that can be named."""

    MISSING_ON_BROKER = "missing_on_broker"
    GHOST_BROKER_ORDER = "ghost_broker_order"
    PARTIAL_FILL_MISMATCH = "partial_fill_mismatch"
    STATUS_MISMATCH = "status_mismatch"
    UNKNOWN_OUTCOME = "unknown_outcome"


def compare(local_orders: Iterable[LocalOrder], reports: Iterable[OrderReport]) -> list[tuple[Mismatch, str]]:
    """Return the differences between the open orders of both sides, each with its ``client_order_id``.

    An order whose outcome is unknown is named so, never taken for a rejection.
    """
    reported = {report.client_order_id: report for report in reports}
    found = []
    for local in local_orders:
        mismatch = _mismatch(local, reported.pop(local.client_order_id, None))
        if mismatch:
            found.append((mismatch, local.client_order_id))
    found.extend((Mismatch.GHOST_BROKER_ORDER, client_order_id) for client_order_id in reported)
    return found


def _mismatch(local: LocalOrder, report: OrderReport | None) -> Mismatch | None:
    pending = local.status is OrderStatus.PENDING_CANCEL and (report is None or report.status is not local.status)
    if local.status is OrderStatus.PENDING_NEW or pending:
        return Mismatch.UNKNOWN_OUTCOME
    if report is None:
        return Mismatch.MISSING_ON_BROKER
    if local.filled != report.filled_quantity:
        return Mismatch.PARTIAL_FILL_MISMATCH
    if local.status is not report.status:
        return Mismatch.STATUS_MISMATCH
    return None
