"""``c2lib schema``: the JSON Schemas of the artifacts, written to a folder or checked there."""

from __future__ import annotations

import argparse
from pathlib import Path

from c2lib.cli.console import FLAG, GOOD, NOT_GOOD, report, say
from c2lib.core.errors import ConfigError, OutputError
from c2lib.core.redaction import redact_secrets

OPTIONS = (
    ("--out", "folder of the schemas; left out: docs/contract of the checkout", {"metavar": "DIR"}),
    ("--check", "write nothing, and name the schemas that are stale", FLAG),
)


def run(options: argparse.Namespace) -> int:
    """Write or check the schemas."""
    from c2lib.app.paths import checkout, output_file
    from c2lib.core.contract import schema_texts

    root = checkout()
    if options.out is None and root is None:
        raise ConfigError("--out", "there is no checkout here; name a folder")
    folder = Path(options.out or f"{root}/docs/contract")
    texts = {folder / name: text.encode() for name, text in schema_texts().items()}
    if options.check:
        try:
            named = [str(file) for file, text in texts.items() if not file.is_file() or file.read_bytes() != text]
        except OSError as error:
            raise OutputError(f"{error.filename}: {error.strerror}") from None
    else:
        for file, text in texts.items():
            with output_file(file, "--out") as out:
                out.write(text)
        named = [str(file) for file in texts]
    named = list(map(redact_secrets, named))
    report(options, {"stale" if options.check else "written": named}, None if options.check else named)
    for name in named if options.check else ():
        say(f"stale: {name} (write it again with: c2lib schema)")
    return NOT_GOOD if options.check and named else GOOD
