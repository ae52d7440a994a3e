"""What must hold for a PASS, sealed with the config; that this was before the run, only a kept digest proves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from c2lib.core.sealed import Integer, Sealed


class Criteria(Sealed):
    """The criteria with their defaults; evidence evaluates each field."""

    status: Literal["COMPLETED", "REJECTED", "FAILED"] = "COMPLETED"
    """Final status of the session; one other than ``COMPLETED`` can be asked for, and is no PASS."""

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
