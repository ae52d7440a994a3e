"""A disk that fails while a run is written: retried, or FAILED and never published."""

from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.errors import InputError, OutputError, RunConflictError
from c2lib.core.states import SessionStatus
from c2lib.core.vocabulary import FailCode
from c2lib.witness.findings import Verdict
from tests.app.runs import SEALED, manifest_of, place_below, sealed_bytes, tree
from tests.app.sessions import CONFIG, OWN, Breaking, config
from tests.record.failing_system import FailingSystem, failing, system


@pytest.mark.parametrize(("steps", "number"), [(64, 0), (64, 1), (64, 2), (64, 3), (2000, 0), (2000, 1)])
def test_single_failure_is_retried(out: Path, steps: int, number: int) -> None:
    """A disk that fails once is met by a retry: the run completes, records the failure, and is reproduced."""
    retrying = config(max_sink_retries=2, steps=steps)
    with system(failing("write", number)):
        result = run_dryrun(retrying, out_dir=out)
    assert (result.status, result.sink_retries) == (SessionStatus.COMPLETED, 1)
    place = place_below(out)
    (failure,) = manifest_of(place)["inputs"]["sink_failures"]
    assert failure[0] in SEALED
    assert failure[2] == ["OSError"]
    report = verify_run(place, replay=True)
    assert (report.findings, report.replayed) == ((), True)


def test_run_without_failure_conflicts(out: Path) -> None:
    """A run with a recorded retry and the same run without that retry conflict, and no file changes."""
    retrying = config(max_sink_retries=1)
    with system(failing("write", 0)):
        run_dryrun(retrying, out_dir=out)
    before = tree(out)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(retrying, out_dir=out)
    assert caught.value.fields == ()
    assert tree(out) == before


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_failing_disk_publishes_nothing(out: Path, retries: int, first: int) -> None:
    """A disk that keeps failing ends the session FAILED, unpublished, with a staging folder that is INCOMPLETE."""
    with system(FailingSystem(lambda name, number: name == "write" and number >= first)):
        result = run_dryrun(config(max_sink_retries=retries), out_dir=out)
    assert (result.status, result.fail_code) == (SessionStatus.FAILED, FailCode.SINK_WRITE_FAILED)
    assert (result.path, result.run_digest) == (None, None)
    assert result.staging is not None
    assert Path(result.staging).is_dir()
    assert not place_below(out).exists()
    report = verify_run(result.staging, replay=True)
    assert (report.verdict, report.ok) == (Verdict.INCOMPLETE, False)


def test_dead_sink_prevents_publishing(out: Path) -> None:
    """A run whose sink dies after another failure keeps the first fail code and is not published."""
    with system(FailingSystem(lambda name, number: name == "write" and number >= 1)):
        result = run_dryrun(OWN, out_dir=out, strategy=Breaking)
    assert result.fail_code is FailCode.EXCEPTION
    assert result.dead_sinks
    assert (result.path, result.run_digest) == (None, None)
    assert result.staging is not None
    assert not place_below(out).exists()


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir", "open", "stat"])
def test_single_failure_publishes_whole(tmp_path: Path, call: str) -> None:
    """A system call that fails once is an error or a FAILED result, and a published run is always whole."""
    with system(failing("no such call")) as counted:
        run_dryrun(CONFIG, out_dir=tmp_path / "whole")
    whole = sealed_bytes(place_below(tmp_path / "whole"))
    assert counted.calls[call]
    for number in range(counted.calls[call]):
        root = tmp_path / str(number)
        with system(failing(call, number)):
            try:
                assert run_dryrun(CONFIG, out_dir=root).status is SessionStatus.FAILED
            except (InputError, OutputError) as error:
                assert "No space left on device" in str(error)  # noqa: PT017 - either answer will do
        if place_below(root).exists():
            assert sealed_bytes(place_below(root)) == whole
        assert run_dryrun(CONFIG, out_dir=root).status is SessionStatus.COMPLETED
