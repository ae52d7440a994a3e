"""Fuzzes the witness under coverage guidance: ``make fuzz SECONDS=60``.

Rules kept here:

* an exception, an alteration that is not found, more time than :data:`LONGEST` or more memory than :data:`MOST`
  is a crash: it is reported, its input is kept in the work folder, and the exit code is not 0;
* the corpus is kept in the work folder too, and the next fuzzing continues from it;
* atheris is imported when it is run and not before: the environment that tests this package has none.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from importlib import import_module
from pathlib import Path

LONGEST = 5
"""Longest time for one input, in seconds."""

MOST = 1024
"""Most memory of the whole process, in MiB."""

MAX_INPUT = 1 << 16
"""Longest input, in bytes: several times the longest file of the sound run."""


def main(sound: Path, work: Path, seconds: int) -> None:
    """Fuzz for so many seconds, from a sound run; never returns, since libFuzzer leaves the process."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["c2lib.witness", "c2lib.core"]):
        from tests.fuzz.entry import Target
    copy = work / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    target = Target(sound, copy)
    corpus = work / "corpus"
    corpus.mkdir(exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:40]).write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-timeout={LONGEST}", f"-rss_limit_mb={MOST}", f"-max_len={MAX_INPUT}"]
    places = [f"-artifact_prefix={work}/crash-", str(corpus)]
    atheris.Setup([sys.argv[0], *limits, *places], target.feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
