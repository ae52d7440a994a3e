"""``c2lib schema``: the generated pages of the contract.

Rules kept here:

* the pages are a function of the contract table and the state tables, and of nothing else;
* a page that is a symlink is not written through;
* ``--check`` changes nothing and fails when a page on disk is stale or missing.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from c2lib.cli.console import say, show


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--out", metavar="DIR", help="folder of the pages; left out: docs/contract of the checkout")
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")


def run(options: argparse.Namespace) -> int:
    """Write or check the pages."""
    from c2lib.app.paths import checkout
    from c2lib.core.diagrams import generated_pages
    from c2lib.core.errors import ConfigError, OutputError
    from c2lib.core.redaction import redact_secrets

    root = checkout()
    if options.out is None and root is None:
        raise ConfigError("--out", "there is no checkout here; name a folder")
    folder = Path(options.out) if options.out else Path(str(root)) / "docs" / "contract"
    stale = []
    try:
        for name, text in generated_pages().items():
            page = folder / name
            if options.check:
                if not page.is_file() or page.read_bytes() != text.encode():
                    stale.append(str(page))
                continue
            _write(page, text)
            show(redact_secrets(str(page)))
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}") from None
    except ValueError:
        raise ConfigError("--out", "no path can be spelled like this") from None
    for name in stale:
        say(f"stale: {redact_secrets(name)} (write it again with: c2lib schema)")
    return 1 if stale else 0


def _write(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
