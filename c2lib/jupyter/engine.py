"""The papermill engine ``c2lib``: reproducible output, and a success that can be trusted.

``papermill --engine c2lib IN.ipynb OUT.ipynb -p seed 7`` checks parameters, names and values, before the first cell
runs and before anything is written, and fails when a cell never ran. What differs from run to run (times, durations,
random ids, paths) is taken out of the output: the same parameters give the same bytes.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import click

from c2lib.core.errors import ConfigError
from c2lib.core.redaction import redact_secrets
from c2lib.core.sealed import MAX_NAME_SHOWN
from c2lib.core.text import nearest, one_line
from c2lib.jupyter.notebook import DryrunParameters, NotebookParameters, VerifyParameters, papermill_words

PARAMETERS_TAG, INJECTED_TAG = "parameters", "injected-parameters"


class RefusedParameterError(click.ClickException):
    """A parameter was refused; papermill's command line shows the message and exits with 2."""

    exit_code = 2


class UnfinishedNotebookError(click.ClickException):
    """A cell raised, or never ran to its end; papermill may take the second for a success, and is long on the first."""


MODELS: dict[str, type[NotebookParameters]] = {"dryrun": DryrunParameters, "verify": VerifyParameters}
"""The models of our notebooks by the metadata key ``c2lib.parameters``, which a renamed copy keeps."""


def parameter_names(notebook: Any) -> list[str]:
    """Return the names that the cells tagged ``parameters`` assign in the first column, in Python, R or Julia."""
    tagged = [cell.source for cell in notebook.cells if PARAMETERS_TAG in cell.metadata.get("tags", ())]
    return sorted(set(re.findall(r"^(\w+)[ \t]*(?::[^=\n]+)?(?:=(?!=)|<-)", "\n".join(tagged), re.MULTILINE)))


def given_parameters(notebook: Any) -> dict[str, Any]:
    """Return the parameters that papermill stored, as long as the cell with them, which it keeps as well, is there."""
    kept = any(INJECTED_TAG in cell.metadata.get("tags", ()) for cell in notebook.cells)
    return notebook.metadata.get("papermill", {}).get("parameters", {}) if kept else {}


def check_parameters(notebook: Any) -> None:
    """Raise :class:`ConfigError` for a parameter that its notebook does not have, or that does not fit its model."""
    given, known = given_parameters(notebook), parameter_names(notebook)
    for name in given:
        if name not in known:
            hint = nearest(str(name), known, f"it has {', '.join(known) or 'none'}")
            raise ConfigError(str(name)[:MAX_NAME_SHOWN], "is no parameter of this notebook", hint=hint)
    model = MODELS.get(notebook.metadata.get("c2lib", {}).get("parameters"))
    if model is not None:
        model.check(given)


def normalise(notebook: Any) -> Any:
    """Take out, in place, what differs from run to run; let our errors name parameters, not flags; return it."""
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
        for output in cell.get("outputs", ()) if "c2lib" in notebook.metadata else ():
            if output.output_type == "error":
                output.traceback = [papermill_words(line) for line in output.traceback]
    return notebook


def redact_record(record: logging.LogRecord) -> bool:
    """Take secrets out of a log record; a filter that lets every record through."""
    record.msg, record.args = redact_secrets(record.getMessage()), ()
    return True


# papermill's log names unknown parameters and paths before any engine is asked; it loads its engines while it is
# imported, so that nothing is logged before this line
_LOG = logging.getLogger("papermill")
_LOG.addFilter(redact_record)


class ReproducibleEngine:
    """The engine that papermill's entry point names."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Check the parameters, execute, check that every cell ran, and return the normalised notebook.

        The output's folder is made before, and what the last cell of a notebook of ours printed is logged.

        Raises:
            RefusedParameterError: a parameter is unknown, or its value does not fit; nothing was executed.
            UnfinishedNotebookError: a cell never ran to its end.
        """
        try:
            check_parameters(nb)
        except ConfigError as error:
            raise RefusedParameterError(one_line(papermill_words(str(error)))) from None
        path = options.get("output_path")
        if path and "://" not in path:
            _make_folder(path)
        done = _executed(nb, kernel_name, **options)
        problem = _unfinished(done)
        if problem:
            raise UnfinishedNotebookError(problem)
        done = normalise(done)
        if path and click.get_current_context(silent=True):
            _write_failure(done, path)
        if "c2lib" in done.metadata:
            for output in done.cells[-1].get("outputs", ()):
                _LOG.info("%s", output.get("text", "").rstrip())
        return done

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the kernel that papermill would choose."""
        return _papermill().nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the language that papermill would choose."""
        return _papermill().nb_language(nb, language)


def _make_folder(path: str) -> None:
    """Make the folder of an output notebook, which papermill alone demands; its path is one from before ``--cwd``."""
    from papermill.iorw import papermill_io

    Path(papermill_io.get_handler("local")._cwd or "", path).parent.mkdir(parents=True, exist_ok=True)


def _write_failure(notebook: Any, path: str) -> None:
    """Write a notebook in which a cell raised as papermill does, and raise what its command line is to show of it."""
    from papermill.exceptions import PapermillExecutionError, strip_color
    from papermill.execute import raise_for_execution_errors

    try:
        raise_for_execution_errors(notebook, path)
    except PapermillExecutionError as error:
        lines = [f"{error.ename}: {error.evalue}"] if error.ename == "AssertionError" else error.traceback
        raise UnfinishedNotebookError(strip_color(f"cell [{error.exec_count}]: " + "\n".join(lines))) from None


def _papermill() -> Any:
    # papermill's engines load every registered engine, this one among them
    from papermill.engines import NBClientEngine

    return NBClientEngine


def _executed(notebook: Any, kernel_name: str, **options: Any) -> Any:
    """Return the notebook that papermill executed: a kernel over IPC, without timing, with joined streams."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    config = Config()
    config.KernelManager.transport = "ipc"
    options |= {"config": config, "record_timing": False, "coalesce_streams": True}
    try:
        return _papermill().execute_notebook(notebook, kernel_name, **options)
    except (DeadKernelError, NoSuchKernel) as error:
        raise UnfinishedNotebookError(f"the kernel {kernel_name!r} is not there or was ended: {error}") from None


def _unfinished(notebook: Any) -> str | None:
    """Return which cell never ran to its end and why; ``None`` for a success or an error that papermill reports."""
    for number, cell in enumerate(notebook.cells):
        # nbclient leaves these out, and an editor leaves an empty cell at the end
        if cell.cell_type != "code" or not cell.source.strip() or "skip-execution" in cell.metadata.get("tags", ()):
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
