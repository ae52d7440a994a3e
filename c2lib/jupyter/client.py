"""How papermill talks to a kernel here: over IPC, without timing, with joined streams.

A module of its own, since importing papermill's engines loads every registered engine, :mod:`c2lib.jupyter.engine`
among them.
"""

from __future__ import annotations

from typing import Any

from papermill.engines import NBClientEngine
from traitlets.config import Config


class QuietEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Papermill's own engine with another way of talking to the kernel."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Execute the notebook that ``nb_man`` holds."""
        config = Config()
        config.KernelManager.transport = "ipc"
        return super().execute_managed_notebook(
            nb_man, kernel_name, config=config, record_timing=False, coalesce_streams=True, **options
        )
