"""JupyterLab as ``make lab`` starts it, on loopback, over a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "lab"  # of a server that only this machine reaches, while the checks run
LONGEST = 60
"""Longest time for the server to answer, in seconds."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def lab(root: Path, home: Path, *options: str, venv: Path = ROOT / ".venv") -> Iterator[str]:
    """Start ``make lab`` on a folder, with another home and output root; give its address without a slash at the end.

    Args:
        root: What the file browser shows, with a folder ``notebooks``.
        home: A folder for settings, runs and what the server prints.
        options: More options of ``jupyter lab``.
        venv: The environment that JupyterLab is in, which is not set up again.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    given = [f"VENV={venv}", f"LAB_ROOT={root}", f"LAB_OPTIONS={' '.join([*words, *options])}"]
    call = ["make", "-o", "setup", "lab", *given]
    env = {name: text for name, text in os.environ.items() if not name.startswith(("JUPYTER", "MAKE", "IPYTHON"))}
    env |= {"HOME": str(home), "C2LIB_OUT": str(home / "out"), "PYTHONDONTWRITEBYTECODE": "1"}
    with (home / "lab.log").open("w+") as log:
        process = subprocess.Popen(call, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(f"{address}/api?token={TOKEN}", process)
            yield address
        except TimeoutError:
            log.seek(0)
            sys.stderr.write(log.read())
            raise
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=LONGEST)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when a page is there; raise :class:`TimeoutError` when its server ended or takes too long."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise TimeoutError("JupyterLab did not start")
