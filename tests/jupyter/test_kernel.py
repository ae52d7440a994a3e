"""A real Jupyter kernel keeps answering while a session runs in the kernel."""

import queue
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

PREPARE = """
import socket, threading, time
from pathlib import Path
from c2lib import DryrunConfig, LiveSessionOrchestrator

server = socket.create_server(("127.0.0.1", 0))

def serve():
    while True:
        connection, _ = server.accept()
        connection.sendall(b"still here")
        connection.close()

threading.Thread(target=serve, daemon=True).start()

class Waiting:
    def __init__(self, settings):
        pass

    def on_bar(self, bar, view):
        if bar.bar_index == 1:
            print("in the step", flush=True)
            while not Path(MARK).exists():
                time.sleep(0.01)

config = DryrunConfig(strategy_id="mine", strategy_allowlist=("mine",), seed=7, steps=3)
audit, metrics = [], []
session = LiveSessionOrchestrator().open(config, audit_sink=audit, metrics_sink=metrics, strategy=Waiting)
print("port", server.getsockname()[1])
"""
BETWEEN = """
session.step()
socket.create_connection(server.getsockname()).close()
print("left between two steps")
"""
AFTER = """
result = session.stop()
socket.create_connection(server.getsockname()).close()
print(result.status.value, result.fail_reason, '"no_live_attempts_total":0' in metrics[0])
"""


class Kernel:
    """A kernel, and what it prints."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def start(self, code: str) -> str:
        """Ask for a cell to be executed; return the number of the request."""
        number = self.client.execute(code)
        assert isinstance(number, str)
        return number

    def printed(self, until: str = "") -> str:
        """Return what the cell prints, up to a text or to its end."""
        printed, deadline = "", time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", content
            if kind == "stream":
                printed += content["text"]
            if (until and until in printed) or (kind == "status" and content["execution_state"] == "idle" and printed):
                return printed
        raise AssertionError(f"the kernel said {printed!r} and no more")

    def run(self, code: str) -> str:
        """Execute a cell and return what it printed."""
        self.start(code)
        return self.printed()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """Give a kernel of this interpreter."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_kernel_works_under_guard(kernel: Kernel, tmp_path: Path) -> None:
    """During a guarded step a Jupyter kernel prints, beats and answers, and its user's server keeps serving."""
    mark = tmp_path / "mark"
    port = int(kernel.run(f"MARK = {str(mark)!r}\n{PREPARE}").split()[1])
    assert kernel.run(BETWEEN) == "left between two steps\n"
    kernel.start("session.run_n_steps(2); print('stepped')")
    assert "in the step" in kernel.printed(until="in the step")
    assert kernel.client.hb_channel.is_beating()
    kernel.client.control_channel.send(kernel.client.session.msg("kernel_info_request", {}))
    assert kernel.client.get_control_msg(timeout=30)["content"]["status"] == "ok"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        assert connection.recv(100) == b"still here"
    mark.touch()
    assert "stepped" in kernel.printed(until="stepped")
    assert "COMPLETED None True" in kernel.run(AFTER)
