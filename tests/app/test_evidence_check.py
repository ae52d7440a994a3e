"""An evidence file against its run: what it says must be what the run gives, and whatever it is, it is no error."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c2lib.app import evidence as evidence_check
from c2lib.app.evidence import NOT_DRAWN, REPLAY_AS_STATED, is_evidence, verify_evidence, write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import VerifyReport, verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.vocabulary import Artifact
from c2lib.evidence.plots import PICTURES, plot_files
from c2lib.evidence.render import MAX_EVIDENCE
from c2lib.witness.findings import FindingCode
from c2lib.witness.run import Run
from tests.app.conftest import Command
from tests.app.runs import RUN, flip_byte, manifest_of, market_csv, tree

DATE, OWNER = "2026-02-03", "Q. <b>|(ü)"
PASS = "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md"
FAIL = PASS.replace("PASS", "FAIL")


def drafted(place: Path, **options: Any) -> Path:
    """Write the draft of a run and return its file."""
    given: dict[str, Any] = {"date": DATE, "owner": OWNER, "plots": False, **options}
    return Path(write_evidence(place, **given).path)


def found(report: VerifyReport) -> list[str]:
    """Return code, file and line of every finding."""
    return [f"{finding.code} {finding.file}:{finding.line}" for finding in report.findings]


@pytest.fixture(scope="session")
def _draft(_published: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return drafted(Path(shutil.copytree(_published, tmp_path_factory.mktemp("drafted") / RUN))).read_bytes()


@pytest.fixture
def evidence(published: Path, _draft: bytes) -> Path:
    """Return the evidence file of a published run, without pictures."""
    path = published / "evidence" / PASS
    path.parent.mkdir()
    path.write_bytes(_draft)
    return path


def test_unchanged_draft_is_clean(published: Path) -> None:
    """A draft with pictures as written verifies clean with a replay, and the check changes no file."""
    path = drafted(published, plots=True)
    before = tree(published)
    report = verify_evidence(path, replay=True)
    assert (report.ok, report.replayed, report.unchecked, report.path) == (True, True, (), str(path))
    assert report.summary.run_digest == manifest_of(published)["run_digest"]
    assert tree(published) == before


def test_skipped_replay_is_unchecked(evidence: Path) -> None:
    """Without a replay, what evidence states about the replay is reported as unchecked and the rest is compared."""
    report = verify_evidence(evidence, replay=False)
    assert (report.ok, report.replayed) == (True, False)
    assert report.unchecked == ("re-execution: left out", REPLAY_AS_STATED)
    evidence.write_text(evidence.read_text().replace("64 of 64 steps", "63 of 64 steps"))
    assert found(verify_evidence(evidence, replay=False)) == [f"EVIDENCE_DIFFERS {PASS}:16"]


def test_every_line_is_compared(evidence: Path) -> None:
    """One more character in any line of an evidence file is a finding on that line."""
    lines = evidence.read_text().split("\n")
    for number, line in enumerate(lines, start=1):
        evidence.write_text("\n".join([*lines[: number - 1], f"{line}<", *lines[number:]]))
        code = "EVIDENCE_MALFORMED" if "**Date:**" in line else "EVIDENCE_DIFFERS"
        at = number if code == "EVIDENCE_DIFFERS" else 0
        assert found(verify_evidence(evidence, replay=False)) == [f"{code} {PASS}:{at}"]


def test_first_difference_is_shown(evidence: Path) -> None:
    """A forged claim in an evidence file is a finding with the line number and the expected and seen text."""
    text = evidence.read_text()
    number = text.split("\n").index("## Claims") + 1
    forged = text.replace("→ `10 fills`", "→ `99 fills`")
    assert forged != text
    evidence.write_text(forged)
    (finding,) = verify_evidence(evidence, replay=True).findings
    assert (finding.code, finding.file) == (FindingCode.EVIDENCE_DIFFERS, PASS)
    assert finding.line > number
    assert ("10 fills" in finding.expected, "99 fills" in finding.seen) == (True, True)


def test_owner_and_date_may_vary(published: Path, evidence: Path) -> None:
    """Another owner, or another date under a matching file name, is still correct evidence of the run."""
    changed = evidence.read_text().replace("Q. ", "R. ")
    assert changed != evidence.read_text()
    evidence.write_text(changed)
    assert verify_evidence(evidence, replay=False).ok
    evidence.write_text(evidence.read_text().replace("2026-02-03", "2026-02-04").replace("20260203", "20260204"))
    assert found(verify_evidence(evidence, replay=False)) == [f"EVIDENCE_DIFFERS {PASS}:0"]
    renamed = evidence.rename(evidence.with_name(PASS.replace("0203", "0204")))
    assert verify_evidence(renamed, replay=False).ok


def test_renamed_fail_is_found(published: Path) -> None:
    """A FAIL draft renamed to PASS is an EVIDENCE_DIFFERS finding."""
    flip_byte(published / Artifact.METRICS, 3)
    path = drafted(published)
    run_findings = found(verify_evidence(path, replay=True))
    assert path.name == FAIL
    assert run_findings
    assert not any(text.startswith("EVIDENCE") for text in run_findings)
    renamed = path.rename(path.with_name(PASS))
    assert f"EVIDENCE_DIFFERS {PASS}:0" in found(verify_evidence(renamed, replay=True))


def test_evidence_of_other_run_differs(published: Path, evidence: Path, tmp_path: Path) -> None:
    """Evidence copied into another run of the same name is an EVIDENCE_DIFFERS finding."""
    other = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=8, run_id=RUN), out_dir=tmp_path / "other")
    place = Path(str(other.path))
    (place / "evidence").mkdir()
    moved = Path(shutil.copy(evidence, place / "evidence"))
    report = verify_evidence(moved, replay=True)
    assert verify_run(place, replay=True).ok
    assert found(report) == [f"EVIDENCE_DIFFERS {PASS}:3"]


def test_evidence_elsewhere_anchors_run(published: Path, evidence: Path, tmp_path: Path) -> None:
    """Evidence kept elsewhere is checked with --run, and alone finds a run that was replaced by another sound run."""
    kept = Path(shutil.copy(evidence, tmp_path))
    assert verify_evidence(kept, replay=True, run=published).ok
    with pytest.raises(RunPathError, match="name its run with --run DIR"):
        verify_evidence(kept)
    shutil.rmtree(published)
    run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=8, run_id=RUN), out_dir=published.parents[2])
    assert verify_run(published, replay=True).ok
    assert found(verify_evidence(kept, replay=True, run=published)) == [f"EVIDENCE_DIFFERS {PASS}:3"]


def test_linked_folder_keeps_run(published: Path, tmp_path: Path) -> None:
    """Evidence in a linked folder is checked against the run that was named, and the link is a finding."""
    path = drafted(published)
    elsewhere = shutil.move(published / "evidence", tmp_path / "evidence")
    (published / "evidence").symlink_to(elsewhere)
    report = verify_evidence(path, replay=False)
    assert report.summary.run_id == RUN
    assert "UNEXPECTED_FILE evidence:0" in found(report)


def test_expected_digest_is_checked(evidence: Path, published: Path) -> None:
    """Verifying evidence checks an expected digest and a required seal of the run, beside the comparison."""
    digest = manifest_of(published)["run_digest"]
    assert verify_evidence(evidence, replay=True, expect_digest=digest, require_sealed=True).ok
    assert found(verify_evidence(evidence, replay=True, expect_digest="0" * 64)) == [
        "RUN_DIGEST_WRONG run_manifest.json:0"
    ]


def test_market_evidence_needs_market(tmp_path: Path, out: Path) -> None:
    """Evidence of a run on a market file is confirmed by a replay only when that file is given."""
    market = market_csv(tmp_path / "day.csv")
    run = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=out, market=market)
    path = drafted(Path(str(run.path)), market=market)
    assert verify_evidence(path, replay=True, market=market).ok
    with pytest.raises(ConfigError, match=r"^market: "):
        verify_evidence(path)
    assert verify_evidence(path, replay=False).ok


@pytest.mark.parametrize("damage", ["metrics", "manifest", "no manifest"])
def test_fail_draft_matches_bad_run(tmp_path: Path, out: Path, damage: str) -> None:
    """The FAIL draft of a damaged run has no finding of its own, with a replay and without."""
    market = market_csv(tmp_path / "day.csv")
    run = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=out, market=market)
    place = Path(str(run.path))
    if damage == "metrics":
        flip_byte(place / Artifact.METRICS, 3)
    elif damage == "manifest":
        flip_byte(place / Artifact.MANIFEST, 30)
    elif damage == "no manifest":
        (place / Artifact.MANIFEST).unlink()
    path = drafted(place, market=market)
    for replay in (True, False):
        report = verify_evidence(path, replay, market=market)
        assert not [finding for finding in report.findings if finding.code.startswith("EVIDENCE")]


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "binary": lambda data: bytes(range(256)) * 40,
    "NUL": lambda data: data.replace(b"## Scope", b"\0## Scope"),
    "no UTF-8": lambda data: data.replace(b"## Scope", b"\xff## Scope"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "huge": lambda data: data + b"a" * MAX_EVIDENCE,
    "long line": lambda data: data.replace(b"## Scope", b"a" * (MAX_EVIDENCE // 2)),
    "many lines": lambda data: data + b"\n" * 100_000,
    "html": lambda data: data.replace(b"## Scope", b"<script>alert(1)</script>\n## Scope"),
    "forged row": lambda data: data.replace(b"## Claims\n", b"## Claims\n\n| x | y | z |\n"),
    "terminal colours": lambda data: data.replace(b"## Scope", b"\x1b[2J"),
    "no date": lambda data: data.replace(b"**Date:**", b"**Day:**"),
    "day that is none": lambda data: data.replace(b"2026-02-03", b"2026-02-31"),
    "no owner": lambda data: data.replace(b"**Owner:**", b"**Operator:**"),
    "owner of many digits": lambda data: data.replace(b"Q. ", b"&#" + b"9" * 900 + b";"),
    "owner of very many digits": lambda data: data.replace(b"Q. ", b"&#" + b"9" * 9000 + b";"),
    "owner that is no text": lambda data: data.replace(b"Q. ", b"&#7;"),
    "secret": lambda data: data.replace(b"Q. ", b"password=hunter2hunter2"),
    "line separator": lambda data: data.replace(b"## Scope", "\u2028## Scope".encode()),
    "end missing": lambda data: data[:-1],
    "another end": lambda data: data + b"\n",
    "cut": lambda data: data[: len(data) // 2],
    "doubled": lambda data: data + data,
    "picture outside": lambda data: data.replace(
        b"## Appendix: hashes", b"## Appendix: hashes\n| 15 | picture ../../x.png | `" + b"0" * 64 + b"` |"
    ),
    "picture of another name": lambda data: data.replace(
        b"## Appendix: hashes", b"## Appendix: hashes\n| 15 | picture more.png | `" + b"0" * 64 + b"` |"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_evidence_is_a_finding(evidence: Path, command: Command, name: str) -> None:
    """Hostile evidence is one short printable finding with exit 1, with a replay and without."""
    data = HOSTILE[name](evidence.read_bytes())
    assert data != evidence.read_bytes()
    evidence.write_bytes(data)
    answer = command("verify", "--text", evidence, "--no-replay")
    (line,) = (line for line in answer.out.splitlines() if line.startswith("  finding: "))
    assert (answer.code, answer.err, line.isprintable(), len(line) < 600) == (1, "", True, True)
    assert [f"  finding: {finding.text()}" for finding in verify_evidence(evidence, replay=True).findings] == [line]
    assert line.startswith("  finding: EVIDENCE_")


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("/etc/hostname"), "a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "a symbolic link"),
    ],
)
def test_special_file_is_a_finding(evidence: Path, make: Callable[[Path], object], seen: str) -> None:
    """Evidence that is a FIFO or a symlink is an UNREADABLE_FILE finding, without waiting or following the link."""
    evidence.unlink()
    make(evidence)
    unreadable = [f for f in verify_evidence(evidence, replay=False).findings if f.code is FindingCode.UNREADABLE_FILE]
    assert [(finding.file, finding.seen) for finding in unreadable] == [(PASS, seen)]


def test_invalid_path_is_refused(command: Command, published: Path, tmp_path: Path) -> None:
    """Verify exits 2 for evidence that does not exist, an invalid path, and --run beside a run directory."""
    assert command("verify", "--text", published / "evidence" / PASS).complaint.endswith(
        "is not there: name a run directory, or its evidence file"
    )
    alone = tmp_path / "alone" / "evidence" / PASS
    alone.parent.mkdir(parents=True)
    alone.write_text("# EV")
    assert command("verify", "--text", alone.parent.parent / "evidence" / PASS).code == 1
    assert command("verify", "--text", alone, "--run", tmp_path / "none").code == 2
    assert command("verify", "--text", f"{tmp_path}/\0/EV-x.md").code == 2
    assert command("verify", "--text", published, "--run", published).complaint.endswith("--run names the run of one")


def test_folder_is_no_evidence(tmp_path: Path, published: Path) -> None:
    """A folder with the name of an evidence file is taken for a run and not for evidence."""
    assert not is_evidence(published)
    assert is_evidence(tmp_path / "EV-x.md")
    assert not is_evidence(shutil.copytree(published, tmp_path / "EV-x.md"))


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the pictures of a run the first time only: the same run gives the same bytes."""
    drawn: dict[str, dict[str, bytes]] = {}

    def draw(run: Run, *_: object) -> dict[str, bytes]:
        digest = run.summary.artifacts[Artifact.EVENTS].sha256
        if digest not in drawn:
            drawn[digest] = plot_files(run)
        return drawn[digest]

    monkeypatch.setattr(evidence_check, "plot_files", draw)


@pytest.mark.usefixtures("drawn_once")
def test_altered_picture_is_found(published: Path, tmp_path: Path) -> None:
    """A picture that is altered, missing, a link, or altered along with its hash in the text is a finding."""
    path = drafted(published, plots=True)
    for name in PICTURES:
        assert_held(shutil.copytree(published, tmp_path / name / RUN) / "evidence" / path.name, name)


def assert_held(path: Path, name: str) -> None:
    """Alter a picture of an evidence file in every way, and expect each to be found."""
    picture = path.with_name(name)
    drawn, text = picture.read_bytes(), path.read_text()
    picture.write_bytes(drawn + b"x")
    assert found(verify_evidence(path, replay=False)) == [f"PICTURE_DIFFERS {name}:0"]
    (finding,) = verify_evidence(path, replay=False).findings
    path.write_text(text.replace(finding.expected.removeprefix("sha256 "), finding.seen))
    (finding,) = verify_evidence(path, replay=False).findings
    assert (finding.code, finding.file) == (FindingCode.PICTURE_DIFFERS, PASS)
    assert "drawn from the run by matplotlib" in finding.expected
    path.write_text(text)
    picture.unlink()
    assert found(verify_evidence(path, replay=False)) == [f"MISSING_FILE {name}:0"]
    picture.symlink_to("phases.png")
    assert f"UNREADABLE_FILE {name}:0" in found(verify_evidence(path, replay=False))


def test_unnamed_picture_is_found(published: Path) -> None:
    """Evidence that names only some of the pictures is a PICTURE_DIFFERS finding."""
    path = drafted(published, plots=True)
    lines = path.read_text().split("\n")
    path.write_text("\n".join(line for line in lines if "tear_sheet.png" not in line).replace("\n\n\n", "\n\n"))
    assert found(verify_evidence(path, replay=False)) == [f"PICTURE_DIFFERS {PASS}:0"]


def test_undrawable_pictures_are_unchecked(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that cannot be drawn again are reported as unchecked, without matplotlib or without events."""
    path = drafted(published, plots=True)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        report = verify_evidence(path, replay=True)
        assert report.ok
        assert [text.startswith(f"{NOT_DRAWN}: drawing needs ") for text in report.unchecked] == [True]
    (published / Artifact.EVENTS).unlink()
    report = verify_evidence(path, replay=False)
    assert any(text.startswith(f"{NOT_DRAWN}: ") and "events.jsonl cannot be read" in text for text in report.unchecked)


def test_command_accepts_runs_and_evidence(command: Command, published: Path, evidence: Path) -> None:
    """The verify command takes runs and evidence files in one call and reports each under its path."""
    answer = command("verify", "--text", published, evidence)
    assert answer.code == 0
    assert [line.split()[2] for line in answer.out.splitlines()] == [str(published), str(evidence)]
    facts = command("verify", "--json", evidence).facts
    assert (facts["path"], facts["ok"], facts["run_id"]) == (str(evidence), True, RUN)
    evidence.write_text(evidence.read_text() + "\n")
    answer = command("verify", "--json", evidence)
    assert (answer.code, answer.facts["findings"][0]["code"]) == (1, "EVIDENCE_DIFFERS")
    kept = Path(shutil.copy(evidence, published.parents[2]))
    assert command("verify", "--text", kept).code == 2
    assert command("verify", "--text", kept, "--run", published).code == 1


def test_bare_file_name_works(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evidence file is checked by its bare name from within its folder."""
    monkeypatch.chdir(evidence.parent)
    assert verify_evidence(evidence.name, replay=False).ok
