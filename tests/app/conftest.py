"""The tests of the app never touch the checkout's output root, and share one published run."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from c2lib.app.runner import run_dryrun
from c2lib.cli.main import main
from c2lib.core.config import DryrunConfig
from tests.app.runs import RUN, Answer

settings.register_profile("c2lib", deadline=None, derandomize=True, database=None)
settings.load_profile("c2lib")

Command = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _no_checkout_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test that forgets its output root write into its own folder."""
    monkeypatch.setenv("C2LIB_OUT", str(tmp_path / "forgotten"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return an output root that is not there yet."""
    return tmp_path / "out"


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Return what runs a command in this process."""

    def run(*words: str | Path) -> Answer:
        code = main([str(word) for word in words])
        shown = capfd.readouterr()
        return Answer(code, shown.out, shown.err)

    return run


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes a package look as if it were not installed, until the test ends."""

    def hide(package: str) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)

    return hide


@pytest.fixture(scope="session")
def _published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    config = DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN)
    path = run_dryrun(config, out_dir=root).path
    assert path is not None
    return Path(path)


@pytest.fixture
def published(_published: Path, out: Path) -> Path:
    """Return a published run below ``out``, for the test to do with as it likes."""
    place = out / "finish_c" / "c2" / RUN
    shutil.copytree(_published, place)
    return place
