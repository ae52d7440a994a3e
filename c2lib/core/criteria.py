"""What must hold for a PASS, written down before the run.

Rules kept here:

* the criteria are part of the sealed config and their hash stands in event 0, so that they cannot be
  fitted to the outcome;
* each criterion is one field; the evidence evaluates each and names what bears it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from c2lib.core.sealed import Integer, Sealed


class Criteria(Sealed):
    """The vocabulary of criteria with its defaults."""

    status: Literal["COMPLETED", "REJECTED", "FAILED"] = "COMPLETED"
    """Final status of the session."""

    stop_reason: Literal["completed", "cancelled", "failed"] | None = "completed"
    """Why stepping ended; ``None`` asks nothing."""

    steps_as_planned: bool = True
    """Whether the steps made must be the steps planned."""

    min_fills: Integer = Field(default=1, ge=0)
    """Least number of fills."""

    max_rail_trips: Integer = Field(default=0, ge=0)
    """Most rails broken."""

    max_no_live_attempts: Integer = Field(default=0, ge=0)
    """Most attempts refused by the NO-LIVE guard."""
