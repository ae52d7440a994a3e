"""The base of every sealed model, and the field types that its texts and numbers are made of.

A decimal is stored in its canonical text, so that equal configs hash equally. A value that does not fit raises
:class:`~c2lib.core.errors.ConfigError` with the dotted field name, and is never quoted, since it may be a secret.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from c2lib.core.canon import MAX_INTEGER, canonical_sha256, text_problem
from c2lib.core.contract import IDENTIFIER_PATTERN, SHA256_PATTERN
from c2lib.core.decimals import MAX_DIGITS, canonical_decimal
from c2lib.core.errors import ConfigError
from c2lib.core.redaction import MARK_PATTERN, find_secret, redact_whole
from c2lib.core.text import nearest

MAX_TEXT = 1024
"""Longest text of a config field, in characters."""

_PARAM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)

MAX_NAME_SHOWN = 60
"""Most characters of a field name that a message shows."""


def check_names(values: Mapping[Any, Any]) -> None:
    """Raise :class:`ConfigError` for a field name that is no text, or that no model could carry to name it."""
    for name in values:
        problem = text_problem(name) if isinstance(name, str) else "must be text"
        if problem:
            raise ConfigError(ascii(name)[:MAX_NAME_SHOWN].strip("'"), f"a field name {problem}")


def must(holds: Callable[[Any], bool], problem: str) -> AfterValidator:
    """Return the validator that refuses a value with ``problem`` unless it ``holds``."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(problem)
        return value

    return AfterValidator(check)


def _artifact_text(text: str) -> str:
    problem = text_problem(text)
    if problem:
        raise ValueError(f"text {problem}")
    return text


def _decimal(value: Any) -> Any:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        raise ValueError("must be text, since a number could lose digits: quote it, such as '0.0002'")
    try:
        return canonical_decimal(value) if isinstance(value, str) else value
    except ValueError:
        # its own message quotes the text
        raise ValueError(f"is not a decimal number of at most {MAX_DIGITS} digits") from None


def _whole(value: Any) -> Any:
    """Return an integer of another kind, such as numpy's, as an ``int``; anything else as it is."""
    try:
        return value if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return value


# JSON and YAML know lists alone
_LISTED = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_artifact_text)]
DecimalText = Annotated[str, BeforeValidator(_decimal)]
NonNegativeDecimal = Annotated[DecimalText, must(lambda text: text[0] != "-", "must not be negative")]
PositiveDecimal = Annotated[DecimalText, must(lambda text: text[0] != "-" and text != "0", "must be greater than 0")]
Symbol = Annotated[str, StringConstraints(pattern=f"^(?:{IDENTIFIER_PATTERN}|{MARK_PATTERN})$")]
"""A name; or what is left of one that was a secret, which preflight rejects."""
Sha256 = Annotated[str, StringConstraints(pattern=f"^{SHA256_PATTERN}$")]
Integer = Annotated[
    int, BeforeValidator(_whole), must(lambda number: abs(number) <= MAX_INTEGER, "must lie below 2**53 in magnitude")
]
_NOT_BUILT = "is not built yet; leave it out"
NotBuilt = Annotated[Any, must(lambda value: value is None, _NOT_BUILT)]
"""A field whose feature is not built: its neutral value alone, here null, below zero and the empty list."""
Zero = Annotated[int, must(lambda number: number == 0, _NOT_BUILT)]
TextTuple = Annotated[tuple[Text, ...], _LISTED]
EmptyTuple = Annotated[tuple[Any, ...], _LISTED, must(lambda items: not items, _NOT_BUILT)]


def _param(value: Any) -> Any:
    value = _whole(value)
    if isinstance(value, float | Decimal):
        raise ValueError("must be text where it has a fraction, such as '0.5'")
    if type(value) not in (str, int, bool):
        raise ValueError("must be text, a whole number, true or false")
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"must have at most {MAX_TEXT} characters")
        return _artifact_text(value)
    if abs(value) > MAX_INTEGER:
        raise ValueError("must lie below 2**53 in magnitude")
    return value


def _without_secrets(params: dict[str, Any]) -> dict[str, Any]:
    for name, value in params.items():
        if find_secret(f"{name}={value}"):
            raise ValueError(f"{name} looks like a secret; a strategy needs none here, take it out")
    return params


Params = Annotated[
    dict[
        Annotated[str, must(lambda name: bool(_PARAM_NAME.fullmatch(name)), "must be a name of letters, digits and _")],
        Annotated[Any, AfterValidator(_param)],
    ],
    # a mapping of any kind: what is given in Python may be read-only
    BeforeValidator(lambda value: dict(value) if isinstance(value, Mapping) else value),
    AfterValidator(_without_secrets),
]
"""Parameters of a strategy: each a text, a whole number, or true or false."""


class Sealed(BaseModel):
    """Base of the models whose canonical JSON is hashed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, hide_input_in_errors=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise config_error(error, type(self)) from None

    # else pydantic makes a model within another by this call, and the error loses the name of the outer field
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined] # pydantic asks for it by this name

    def canonical(self) -> dict[str, Any]:
        """Return the model as plain JSON values, secrets redacted, ready for the canonical encoder."""
        canonical: dict[str, Any] = redact_whole(self.model_dump(mode="json"))
        return canonical

    def digest(self) -> str:
        """Return the hash of the canonical JSON of this model."""
        return canonical_sha256(self.canonical())

    def redacted(self) -> Self:
        """Return the model that its canonical form gives back: the same one, unless it holds a secret."""
        canonical = self.canonical()
        return self if canonical == self.model_dump(mode="json") else type(self)(**canonical)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # a cell that ends in a config shows it
        return ((name, redact_whole(value)) for name, value in super().__repr_args__())


def fields_at(model: type[BaseModel], location: Iterable[int | str]) -> dict[str, FieldInfo]:
    """Return the fields of the model at ``location`` below ``model``, else of the last model on the way there."""
    for step in location:
        field = model.model_fields.get(str(step))
        inner = field.annotation if field else None
        # an optional model is a union with None
        models = [kind for kind in (inner, *get_args(inner)) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not models:
            break
        model = models[0]
    return model.model_fields


def config_error(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """Return the first complaint of ``error`` as one that names its field: an unknown one explains a missing one."""
    every = error.errors(include_url=False, include_input=False, include_context=False)
    first = next((one for one in every if one["type"] == "extra_forbidden"), every[0])
    location = first["loc"]
    # pydantic says [key] after a name of a mapping that is none
    field = ".".join(str(step) for step in location if step != "[key]") or "config"
    if first["type"] == "extra_forbidden":
        hint = nearest(str(location[-1]), fields_at(model, location[:-1]), "remove it")
        return ConfigError(field, "unknown field", hint=hint)
    message = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    return ConfigError(field, message[:1].lower() + message[1:])
