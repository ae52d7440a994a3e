"""What a notebook cell calls: parameters that are checked before papermill starts and inside the notebook, pictures.

No parameter holds a secret, since papermill writes parameters into the notebook that it leaves, as code and as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

from pydantic import Field, field_validator

from c2lib.core.canon import sha256_hex
from c2lib.core.config import DEFAULT_CLOCK_START, MAX_STEPS, DryrunConfig, check_run_id_for_directory
from c2lib.core.errors import ConfigError
from c2lib.core.redaction import secret_field
from c2lib.core.sealed import MAX_NAME_SHOWN, Integer, Sealed, Text
from c2lib.core.text import nearest
from c2lib.evidence.render import checked_owner, evidence_name
from c2lib.session.strategy import check_strategy_is_known


class NotebookParameters(Sealed):
    """The parameters of ``01_dryrun.ipynb``; an empty text or 0, papermill's only neutral defaults, mean "left out".

    >>> NotebookParameters(strategy_id="strat_demo", seed=1).config().steps is None
    True
    """

    run_id: Text = ""
    strategy_id: Text = Field(default="strat_demo", min_length=1)
    seed: Integer = 123
    steps: Integer = Field(default=0, ge=0, le=MAX_STEPS)
    market: Text = ""
    symbol: Text = ""
    clock_start: Text = DEFAULT_CLOCK_START
    out_dir: Text = ""
    evidence_date: Text = "2026-01-01"
    owner: Text = "operator"
    no_live_required: Literal["hook", "namespace"] = "hook"

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        field = secret_field(self.model_dump())
        if field:
            raise ConfigError(field, "looks like a secret", hint="the notebook would keep it; take it out")
        checked_owner(self.owner)
        if self.run_id:
            check_run_id_for_directory(self.run_id)
        self.config()
        check_strategy_is_known(self.strategy_id)

    @field_validator("evidence_date")
    @classmethod
    def _is_a_date(cls, text: str) -> str:
        try:
            evidence_name(text, passed=True)
        except ConfigError as error:
            raise ValueError(error.problem) from None
        return text

    def config(self) -> DryrunConfig:
        """Return the config of these parameters; raise :class:`ConfigError` naming the field that does not fit."""
        given: dict[str, Any] = {
            "run_id": self.run_id or None,
            "strategy_id": self.strategy_id,
            "seed": self.seed,
            "steps": self.steps or None,
            "clock_start": self.clock_start or None,
            "market": {"symbol": self.symbol} if self.symbol else {},
            "no_live_required": self.no_live_required,
        }
        return DryrunConfig(**given)


def check_parameters(values: Mapping[str, Any], known: set[str]) -> None:
    """Raise :class:`ConfigError` unless every name is one of ``known``, no value is empty, and all fit the model."""
    for name in values:
        if name not in known:
            hint = nearest(str(name), sorted(known), f"it has {', '.join(sorted(known))}")
            raise ConfigError(str(name)[:MAX_NAME_SHOWN], "is no parameter of this notebook", hint=hint)
        if isinstance(values[name], str) and not values[name].strip():
            raise ConfigError(name, "is empty", hint="give a value, or leave it out")
    NotebookParameters(**values)


def show_png(data: bytes) -> None:
    """Show a picture in the notebook and print its sha256, which nbval compares where it ignores the picture."""
    print(f"sha256 {sha256_hex(data)}")
    ipython = _ipython_display()
    ipython.display(ipython.Image(data, format="png"))


def show_markdown(text: str) -> None:
    """Show markdown in the notebook; pictures beside the file become links, since a notebook has no such files."""
    ipython = _ipython_display()
    ipython.display(ipython.Markdown(text.replace("![", "[")))


def _ipython_display() -> Any:
    # half of IPython is typed, and none of what is called here
    return import_module("IPython.display")
