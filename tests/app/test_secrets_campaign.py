"""The campaign: each kind of secret is planted in each field that a user can reach, and found nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from c2lib.core import redaction as secrets
from tests.app.conftest import Command
from tests.app.planting import FIELDS, Ground
from tests.core.planted import SHAPES

KINDS = (
    "AWS key id",
    "AWS secret key",
    "GitHub token",
    "GitLab token",
    "Slack bot token",
    "Stripe key",
    "OpenAI key",
    "Anthropic key",
    "Google API key",
    "Telegram bot",
    "JSON web token",
    "bearer header",
    "basic header",
    "OpenSSH key",
    "RSA key",
    "PostgreSQL",
    "URL with userinfo",
    "netrc",
    "command line flag",
    "equals",
    "exchange key",
    "YAML",
    "JSON",
    "npm token",
    "Docker token",
    "Azure shared access signature",
    "IBAN",
)

NEVER_WRITTEN = {
    "environment: variables",
    "evidence: --date",
    "evidence: --market",
    "flag: --clock-mode",
    "flag: --clock-start",
    "flag: --initial-cash",
    "flag: --run-id",
    "flag: --seed",
    "flag: --set of a name",
    "flag: --set of anything",
    "flag: --tick-size",
    "flag: a word too many",
    "flag: one that is unknown",
    "flag: the value of an unknown one",
    "market: another column",
    "sink: an exception",
    "strategy: a cause and a note",
    "strategy: a side",
    "strategy: an answer",
    "strategy: its broken source",
    "strategy: its file's name",
}
"""Fields of which nothing is ever written, whatever they hold."""


def places_of(core: str, folder: Path, told: list[str]) -> Iterator[str]:
    """Yield where a secret is found: in a name or the bytes of what c2lib wrote, or in its output."""
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        if below.parts[0] == "given":
            continue
        if core in str(below):
            yield f"the name {below}"
        if path.is_file() and core.encode() in path.read_bytes():
            yield f"the file {below}"
    yield from (f"told: {text}" for text in told if core in text)


@pytest.mark.parametrize("field", FIELDS)
def test_planted_secret_is_never_written(field: str, tmp_path: Path, command: Command) -> None:
    """A secret of any kind in any field that a user can set occurs in no file, output or error of c2lib."""
    for number, kind in enumerate(KINDS):
        text, core = SHAPES[kind]
        ground = Ground(text, tmp_path / str(number), command)
        ground.folder.mkdir()
        assert list(places_of(core, ground.folder, FIELDS[field](ground))) == [], kind


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.startswith("config: ")])
def test_campaign_can_fail(field: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the detectors the planted secret is found, except in fields that are never written."""
    monkeypatch.setattr(secrets, "_BY_HINT", {})
    text, core = SHAPES["equals"]
    ground = Ground(text, tmp_path, command)
    assert bool(list(places_of(core, tmp_path, FIELDS[field](ground)))) is (field not in NEVER_WRITTEN)
