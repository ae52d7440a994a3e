"""The papermill engine ``c2lib``: reproducible output, and a success that can be trusted.

``papermill --engine c2lib IN.ipynb OUT.ipynb -p seed 7`` checks parameters, names and values, before the first cell
runs and before anything is written, and fails when a cell never ran. What differs from run to run (times, durations,
random ids, paths) is taken out of the output: the same parameters give the same bytes.
"""

from __future__ import annotations

import ast
import logging
from typing import Any

import click

from c2lib.core.errors import ConfigError
from c2lib.core.redaction import redact_secrets
from c2lib.core.text import one_line
from c2lib.jupyter.notebook import check_parameters

PARAMETERS_TAG, INJECTED_TAG = "parameters", "injected-parameters"


class RefusedParameterError(click.ClickException):
    """A parameter was refused; papermill's command line shows the message and exits with 2."""

    exit_code = 2


class UnfinishedNotebookError(click.ClickException):
    """A cell of the notebook never ran to its end, although papermill may take the notebook for a success."""


def parameter_names(notebook: Any) -> set[str]:
    """Return the names that the cell tagged ``parameters`` assigns."""
    names: set[str] = set()
    for cell in notebook.cells:
        if PARAMETERS_TAG in cell.metadata.get("tags", ()):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.AnnAssign | ast.Assign):
                    targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                    names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def normalise(notebook: Any) -> Any:
    """Take out of an executed notebook, in place, what differs from run to run; return it."""
    given = notebook.metadata.get("papermill", {}).get("parameters")
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    if given:
        notebook.metadata["papermill"] = {"parameters": given}
    notebook.metadata.get("language_info", {}).pop("version", None)
    for number, cell in enumerate(notebook.cells):
        for volatile in ("papermill", "execution"):
            cell.metadata.pop(volatile, None)
        if INJECTED_TAG in cell.metadata.get("tags", ()):
            cell["id"] = f"{INJECTED_TAG}-{number}"
    return notebook


def redact_record(record: logging.LogRecord) -> bool:
    """Take secrets out of a log record; a filter that lets every record through."""
    record.msg, record.args = redact_secrets(record.getMessage()), ()
    return True


# papermill's log names unknown parameters and paths before any engine is asked; it loads its engines while it is
# imported, so that nothing is logged before this line
logging.getLogger("papermill").addFilter(redact_record)


class ReproducibleEngine:
    """The engine that papermill's entry point names."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Check the parameters, execute, check that every cell ran, and return the normalised notebook.

        Raises:
            RefusedParameterError: a parameter is unknown, or its value does not fit; nothing was executed.
            UnfinishedNotebookError: a cell never ran to its end.
        """
        given = nb.metadata.get("papermill", {}).get("parameters", {})
        try:
            check_parameters(given, parameter_names(nb))
        except ConfigError as error:
            raise RefusedParameterError(one_line(str(error))) from None
        done = _papermill().execute_notebook(nb, kernel_name, **options)
        problem = _unfinished(done)
        if problem:
            raise UnfinishedNotebookError(problem)
        return normalise(done)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the kernel that papermill would choose."""
        return _papermill().nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the language that papermill would choose."""
        return _papermill().nb_language(nb, language)


def _papermill() -> Any:
    from c2lib.jupyter.client import QuietEngine

    return QuietEngine


def _unfinished(notebook: Any) -> str | None:
    """Return which cell never ran to its end and why; ``None`` for a success or an error that papermill reports."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        if "SystemExit" in errors:
            return f"cell {number} left with SystemExit: what stands behind it never ran"
        if errors:
            return None
        if cell.metadata.get("papermill", {}).get("exception"):
            return f"cell {number} failed without saying how"
        if cell.execution_count is None:
            return f"cell {number} never ran: the kernel was ended before it"
    return None
