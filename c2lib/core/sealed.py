"""The base of every sealed model, and the texts that its fields are made of.

Rules kept here:

* frozen, strict (no coercion), unknown fields refused;
* text is NFC and bounded; a decimal is stored in its canonical text, so that equal configs hash equally;
* a value that does not fit raises :class:`~c2lib.core.errors.ConfigError` with the dotted field name, and
  never quotes the value, which may be a secret;
* what is written, hashed or shown of a model is its redacted form, in which a text that holds a secret is replaced
  as a whole: no bound of a field is broken by it, and it can be read back.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from c2lib.core.canon import MAX_INTEGER, canonical_sha256, text_problem
from c2lib.core.contract import IDENTIFIER_PATTERN, SHA256_PATTERN
from c2lib.core.decimals import MAX_DIGITS, canonical_decimal
from c2lib.core.errors import ConfigError
from c2lib.core.redaction import MARK_PATTERN, redact_whole

MAX_TEXT = 1024
"""Longest text of a config field, in characters."""


MAX_NAME_SHOWN = 60
"""Most characters that a message shows of a name that is none."""


def check_names(values: Mapping[Any, Any]) -> None:
    """Raise :class:`ConfigError` for a field name that is no text, or that no model could carry to name it."""
    for name in values:
        problem = text_problem(name) if isinstance(name, str) else "must be text"
        if problem:
            raise ConfigError(ascii(name)[:MAX_NAME_SHOWN].strip("'"), f"a field name {problem}")


def _clean_text(text: str) -> str:
    problem = text_problem(text)
    if problem:
        raise ValueError(f"text {problem}")
    return text


def _decimal(text: str) -> str:
    try:
        return canonical_decimal(text)
    except ValueError:
        # its own message quotes the text
        raise ValueError(f"is not a decimal number of at most {MAX_DIGITS} digits") from None


def _non_negative(text: str) -> str:
    if text.startswith("-"):
        raise ValueError("must not be negative")
    return text


def _positive(text: str) -> str:
    if text.startswith("-") or text == "0":
        raise ValueError("must be greater than 0")
    return text


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _bounded(number: int) -> int:
    if abs(number) > MAX_INTEGER:
        raise ValueError("must lie below 2**53 in magnitude")
    return number


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_clean_text)]
DecimalText = Annotated[str, StringConstraints(max_length=80), AfterValidator(_decimal)]
NonNegativeDecimal = Annotated[DecimalText, AfterValidator(_non_negative)]
PositiveDecimal = Annotated[DecimalText, AfterValidator(_positive)]
Symbol = Annotated[str, StringConstraints(pattern=f"^(?:{IDENTIFIER_PATTERN}|{MARK_PATTERN})$")]
"""A name; or what is left of one that was a secret, which preflight rejects."""
Sha256 = Annotated[str, StringConstraints(pattern=f"^{SHA256_PATTERN}$")]
Integer = Annotated[int, AfterValidator(_bounded)]
Zero = Annotated[int, Field(ge=0, le=0)]
"""Neutral value of a number whose feature is not built; a ``Literal[0]`` would take ``False`` and ``0.0`` too."""
TextTuple = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
EmptyTuple = Annotated[tuple[()], BeforeValidator(_listed)]


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_whole(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    return [_redacted(item) for item in value] if isinstance(value, list | tuple) else value


class Sealed(BaseModel):
    """Base of the models whose canonical JSON is hashed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, hide_input_in_errors=True
    )

    def canonical(self) -> dict[str, Any]:
        """Return the model as plain JSON values, secrets redacted, ready for the canonical encoder."""
        redacted: dict[str, Any] = _redacted(self.model_dump(mode="json"))
        return redacted

    def sha256(self) -> str:
        """Return the hash of the canonical JSON of this model."""
        return canonical_sha256(self.canonical())

    def redacted(self) -> Self:
        """Return the model that its canonical form gives back: the same one, unless it holds a secret."""
        canonical = self.canonical()
        return self if canonical == self.model_dump(mode="json") else type(self)(**canonical)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # a cell that ends in a config shows it
        return ((name, _redacted(value)) for name, value in super().__repr_args__())


def _known_fields(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for step in location:
        field = model.model_fields.get(str(step))
        inner = field.annotation if field else None
        # an optional model is a union with None
        models = [kind for kind in (inner, *get_args(inner)) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not models:
            break
        model = models[0]
    return list(model.model_fields)


def config_error(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """Return the first complaint of ``error`` as one that names its field."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    location = first["loc"]
    field = ".".join(str(step) for step in location) or "config"
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _known_fields(model, location[:-1]), n=1)
        return ConfigError(field, "unknown field", hint=f"did you mean {close[0]!r}?" if close else "remove it")
    if first["type"] == "missing":
        return ConfigError(field, "is missing")
    message = first["msg"].removeprefix("Value error, ")
    return ConfigError(field, message[:1].lower() + message[1:])
