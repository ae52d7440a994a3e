"""What the tests of the run directory share: publishing one, and listing what lies beside it."""

import os
from pathlib import Path

from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import StagedRun, run_path

RUN = "run_demo_001"


def new_file(folder: Path) -> int:
    """Return the handle of an empty file ``log``."""
    return os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def publish(root: Path, run_id: str = RUN) -> Path:
    """Publish a run directory whose four files hold one line each."""
    with StagedRun(root, run_id) as staged:
        for artifact in SEALED_BY_MANIFEST:
            staged.sink(artifact).write("{}\n")
        staged.seal()
        staged.add(Artifact.MANIFEST, '{"whole":true}\n')
        return staged.publish()


def names(root: Path) -> list[str]:
    """Return what lies in the folder of run directories, the random end of a staging folder's name left out."""
    folder = run_path(root, RUN).parent
    return sorted(path.name[:-9] if path.name.startswith(".staging-") else path.name for path in folder.iterdir())


def open_handles() -> int:
    """Return how many files this process holds open."""
    return len(os.listdir("/proc/self/fd"))
