"""A papermill engine whose output is reproducible, and whose success can be trusted.

Rules kept here:

* parameters are checked, names and values, before the first cell runs;
* a notebook in which a cell never ran has failed, also when a ``sys.exit(0)`` looked like success;
* what differs from run to run (times, durations, random ids, paths) is taken out of the output, so that two runs
  with the same parameters give the same bytes.

Registered as the papermill engine ``c2lib``: ``papermill --engine c2lib IN.ipynb OUT.ipynb -p seed 7``.
"""

from __future__ import annotations

import ast
from typing import Any

import click
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.log import logger
from traitlets.config import Config

from c2lib.app.notebook import check_parameters
from c2lib.core.errors import ConfigError

PARAMETERS_TAG, INJECTED_TAG = "parameters", "injected-parameters"


class RefusedParameterError(ConfigError, click.ClickException):
    """A parameter was refused; papermill's command line shows the message and exits with 2."""

    exit_code = 2

    def __init__(self, field: str, problem: str, *, hint: str = "") -> None:
        ConfigError.__init__(self, field, problem, hint=hint)
        self.message = str(self)


class UnfinishedNotebookError(click.ClickException):
    """A cell of the notebook never ran."""


def parameter_names(notebook: Any) -> set[str]:
    """Return the names that the cell tagged ``parameters`` assigns."""
    names: set[str] = set()
    for cell in notebook.cells:
        if PARAMETERS_TAG in cell.metadata.get("tags", ()):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    names.add(node.target.id)
                elif isinstance(node, ast.Assign):
                    names.update(target.id for target in node.targets if isinstance(target, ast.Name))
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


class ReproducibleEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """The engine; see the module's rules."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Check the parameters, execute, check that every cell ran, and return the normalised notebook."""
        given = nb.metadata.get("papermill", {}).get("parameters", {})
        try:
            check_parameters(given, parameter_names(nb))
        except ConfigError as error:
            raise RefusedParameterError(error.field, error.problem, hint=error.hint) from None
        done = super().execute_notebook(nb, kernel_name, **options)
        failed = any(output.output_type == "error" for cell in done.cells for output in cell.get("outputs", ()))
        unrun = [n for n, cell in enumerate(done.cells) if cell.cell_type == "code" and cell.execution_count is None]
        if unrun and not failed:
            raise UnfinishedNotebookError(f"cell {unrun[0]} never ran: the kernel was ended before it")
        return normalise(done)

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **options: Any,
    ) -> Any:
        """Execute over IPC, without timing, with streams joined as they would be in one piece."""
        options.pop("input_path", None)
        config = Config()
        config.KernelManager.transport = "ipc"
        client = PapermillNotebookClient(
            nb_man,
            config=config,
            record_timing=False,
            coalesce_streams=True,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            **options,
        )
        return client.execute()
