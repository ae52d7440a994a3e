"""``c2lib schema``: the JSON Schemas of the artifacts, written to a folder or checked there."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from c2lib.cli.console import FLAG, GOOD, NOT_GOOD, say, show
from c2lib.core.errors import ConfigError, OutputError
from c2lib.core.redaction import redact_secrets

OPTIONS = (
    ("--out", "folder of the schemas; left out: docs/contract of the checkout", {"metavar": "DIR"}),
    ("--check", "write nothing, and name the schemas that are stale", FLAG),
)


def run(options: argparse.Namespace) -> int:
    """Write or check the schemas."""
    from c2lib.app.paths import checkout
    from c2lib.core.contract import schema_texts

    root = checkout()
    if options.out is None and root is None:
        raise ConfigError("--out", "there is no checkout here; name a folder")
    folder = Path(options.out or f"{root}/docs/contract")
    stale = []
    try:
        for name, text in schema_texts().items():
            file = folder / name
            if not options.check:
                _write(file, text)
                show(redact_secrets(str(file)))
            elif not file.is_file() or file.read_bytes() != text.encode():
                stale.append(str(file))
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}") from None
    except ValueError:
        raise ConfigError("--out", "no path can be spelled like this") from None
    for name in stale:
        say(f"stale: {redact_secrets(name)} (write it again with: c2lib schema)")
    return NOT_GOOD if stale else GOOD


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # never through a symlink
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
