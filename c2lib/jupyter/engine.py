"""The papermill engine ``c2lib``: reproducible output, and a success that can be trusted.

``papermill --engine c2lib IN.ipynb OUT.ipynb -p seed 7`` checks parameters, names and values, before the first cell
runs and before anything is written, and fails when a cell never ran. What differs from run to run (times, durations,
random ids, paths) is taken out of the output: the same parameters give the same bytes.
"""

from __future__ import annotations

import ast
import logging
import re
from typing import Any

import click

from c2lib.core.errors import ConfigError
from c2lib.core.redaction import redact_secrets
from c2lib.core.sealed import MAX_NAME_SHOWN
from c2lib.core.text import nearest, one_line
from c2lib.jupyter.notebook import DryrunParameters, NotebookParameters, papermill_words

PARAMETERS_TAG, INJECTED_TAG = "parameters", "injected-parameters"


class RefusedParameterError(click.ClickException):
    """A parameter was refused; papermill's command line shows the message and exits with 2."""

    exit_code = 2


class UnfinishedNotebookError(click.ClickException):
    """A cell of the notebook never ran to its end, although papermill may take the notebook for a success."""


class FailedCellError(click.ClickException):
    """A cell raised; papermill's command line shows what the cell shows, without papermill's own traceback."""


MODELS: dict[str, type[NotebookParameters]] = {"dryrun": DryrunParameters}
"""The models of our notebooks by the metadata key ``c2lib.parameters``, which a renamed copy keeps."""

_ASSIGNED = re.compile(r"^(\w+)[ \t]*(?::[^=\n]+)?(?:=(?!=)|<-)", re.MULTILINE)
"""A name that is assigned in the first column, annotated or not, in Python, R or Julia."""


def parameter_names(notebook: Any) -> list[str]:
    """Return the names that the cells tagged ``parameters`` assign."""
    tagged = [cell.source for cell in notebook.cells if PARAMETERS_TAG in cell.metadata.get("tags", ())]
    return sorted(set(_ASSIGNED.findall("\n".join(tagged))))


def given_parameters(notebook: Any) -> dict[str, Any]:
    """Return the parameters of this execution: those of the injected cell, which an executed notebook may still hold.

    What papermill stored stands for them, unless the cell was edited or removed since.
    """
    cells = [cell.source for cell in notebook.cells if INJECTED_TAG in cell.metadata.get("tags", ())]
    try:
        lines: list[Any] = ast.parse("\n".join(cells)).body
        return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    except (SyntaxError, ValueError, AttributeError):
        # another language, a value that is no literal, or a name that is none
        return dict(notebook.metadata.papermill.parameters)


def check_parameters(notebook: Any) -> type[NotebookParameters] | None:
    """Return the model of a notebook of ours; raise :class:`ConfigError` for a parameter that does not go with it."""
    given, known = given_parameters(notebook), parameter_names(notebook)
    for name in given:
        if name not in known:
            hint = nearest(str(name), known, f"it has {', '.join(known) or 'none'}")
            raise ConfigError(str(name)[:MAX_NAME_SHOWN], "is no parameter of this notebook", hint=hint)
    key = notebook.metadata.get("c2lib", {}).get("parameters")
    if key is None:
        return None
    if key not in MODELS:
        raise ConfigError("the notebook's metadata c2lib.parameters", "names no model", hint=", ".join(MODELS))
    MODELS[key].check(given)
    return MODELS[key]


def normalise(notebook: Any) -> Any:
    """Take out of an executed notebook, in place, what differs from run to run; return it."""
    given = given_parameters(notebook)
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
        try:
            model = check_parameters(nb)
        except ConfigError as error:
            raise RefusedParameterError(one_line(str(error))) from None
        done = _papermill().execute_notebook(nb, kernel_name, **options)
        problem = _unfinished(done)
        if problem:
            raise UnfinishedNotebookError(problem)
        if model:
            _in_papermill_words(done)
        done, path = normalise(done), options.get("output_path")
        if path and click.get_current_context(silent=True):
            _write_failure(done, path)
        return done

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the kernel that papermill would choose."""
        return _papermill().nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the language that papermill would choose."""
        return _papermill().nb_language(nb, language)


def _in_papermill_words(notebook: Any) -> None:
    """Name parameters in the place of flags in each error of c2lib's own, which is one line."""
    for output in [output for cell in notebook.cells for output in cell.get("outputs", ())]:
        if output.output_type == "error" and len(output.traceback) == 1:
            output.traceback = [papermill_words(output.traceback[0])]


def _write_failure(notebook: Any, path: str) -> None:
    """Write a notebook in which a cell raised as papermill does, and raise what its command line is to show of it."""
    from papermill.exceptions import PapermillExecutionError, strip_color
    from papermill.execute import raise_for_execution_errors

    try:
        raise_for_execution_errors(notebook, path)
    except PapermillExecutionError as error:
        lines = [f"{error.ename}: {error.evalue}"] if error.ename == "AssertionError" else error.traceback
        raise FailedCellError(strip_color(f"cell [{error.exec_count}]: " + "\n".join(lines))) from None


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
