"""How papermill talks to a kernel here: over IPC, without timing, with joined streams.

Rules kept here:

* what it adds to a notebook depends on the notebook and its parameters alone, as far as papermill lets it.

Kept apart from :mod:`c2lib.jupyter.engine`, since importing papermill's engines loads every registered engine, that
one among them: it must be importable without them.
"""

from __future__ import annotations

from typing import Any

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.log import logger
from traitlets.config import Config


class QuietEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Papermill's own engine with another way of talking to the kernel."""

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
        """Execute the notebook that ``nb_man`` holds."""
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
