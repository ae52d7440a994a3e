"""``c2lib notebook``: run one of c2lib's notebooks by papermill, from a checkout or an installed wheel.

Exit 1 when its last cell says that it is no PASS, or another cell raised; 2 when nothing was run.
"""

from __future__ import annotations

import argparse
import json
from itertools import chain
from pathlib import Path

from c2lib.cli.console import GOOD, is_terminal, report, say
from c2lib.core.errors import ConfigError, MissingExtraError
from c2lib.core.redaction import redact_secrets
from c2lib.core.text import nearest, quoted

PARAMETER = {"nargs": 2, "action": "append", "metavar": ("NAME", "VALUE"), "default": []}
OPTIONS = (
    ("name", "01_dryrun, or another one that c2lib has", {"metavar": "NAME"}),
    ("-p", "a parameter of the notebook; may be given again", PARAMETER),
    ("--out", "folder of the executed notebook; left out: notebooks/ below the output root", {"metavar": "DIR"}),
)


def run(options: argparse.Namespace) -> int:
    """Run it and print where it is and what its last cell says."""
    from c2lib.app.paths import output_root, resource

    notebooks = {path.stem: path for path in sorted(resource("notebooks").glob("*.ipynb"))}
    source = notebooks.get(options.name)
    if source is None:
        near = nearest(options.name, notebooks, f"there are {', '.join(notebooks)}")
        raise ConfigError("NAME", f"{quoted(options.name)} is no notebook of c2lib", hint=near)
    names = [name for name, _ in options.p]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"-p {twice[0]}", "is given twice")
    try:
        import click
        from papermill.cli import papermill
    except ImportError:
        raise MissingExtraError("c2lib notebook", "notebooks") from None
    target = (Path(options.out) if options.out else output_root() / "notebooks") / source.name
    bar = "--progress-bar" if is_terminal() else "--no-progress-bar"
    # papermill fills in what stands in braces
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (source, target)]
    words = [word for pair in options.p for word in ("-p", *pair)]
    try:
        papermill.main(["--engine", "c2lib", "--log-level", "ERROR", bar, *words, "--", *paths], standalone_mode=False)
    except click.ClickException as error:
        say(error.message)
        return error.exit_code
    outputs = json.loads(target.read_bytes())["cells"][-1]["outputs"]
    said = "".join(chain.from_iterable(output.get("text", ()) for output in outputs)).rstrip()
    report(options, {"notebook": source.stem, "path": redact_secrets(str(target)), "said": said})
    return GOOD
