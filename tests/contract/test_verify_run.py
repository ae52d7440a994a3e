"""The second verifier as a program: without dependencies, bounded, and with an exit code for every input."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import verify_run

from c2lib.core.contract import PAYLOADS, SCHEMA_OF, Field, FieldKind
from c2lib.core.states import SESSION_TABLE, STATUS_OF_PHASE
from c2lib.core.vocabulary import Artifact, AuditCode, FailCode, RejectCode
from c2lib.session.preflight import CHECKS
from tests.contract.judges import judged
from tests.contract.vectors import good_run
from tests.witness.sample_runs import EVENTS, MANIFEST, METRICS

FILE = Path(verify_run.__file__)


def run_it(*words: str | Path) -> tuple[int, str, str]:
    """Run the file as another program would: in a process of its own that sees no installed package."""
    call = [sys.executable, "-I", "-S", FILE, *words]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


class TestAlone:
    """The second verifier needs Python and the contract, and nothing else."""

    def test_imports_standard_library_alone(self) -> None:
        """The second verifier imports the standard library alone."""
        nodes = list(ast.walk(ast.parse(FILE.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)

    def test_has_no_means_to_execute(self) -> None:
        """The second verifier cannot start a process, execute text, unpickle or open a socket."""
        text = FILE.read_text()
        words = ("subprocess", "exec(", "eval(", "os.system", "importlib", "pickle", "socket", "ctypes")
        assert not [word for word in words if word in text]

    def test_good_run_exits_0(self, tmp_path: Path) -> None:
        """On a good run the second verifier exits 0 and reports what was not checked."""
        code, out, err = run_it(good_run("completed").write(tmp_path))
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == "SEALED, 0 findings"
        assert "unchecked: orders_query_total" in out

    def test_bad_run_exits_1(self, tmp_path: Path) -> None:
        """On a bad run the second verifier exits 1 with a line for each finding: file, line, two values."""
        run = good_run("completed")
        run.metrics["fills_total"] = 7
        code, out, err = run_it(run.write(tmp_path))
        assert (code, err) == (1, "")
        assert "metrics.json:1: fills_total is another (expected 3, seen 7)" in out

    def test_json_is_one_line(self, tmp_path: Path) -> None:
        """With --json the second verifier prints one line with verdict, digest and findings."""
        folder = good_run("completed").write(tmp_path)
        with (folder / EVENTS).open("ab") as stream:
            stream.write(b"null\n")
        code, out, _ = run_it(folder, "--json")
        facts = json.loads(out)
        assert (code, out.count("\n"), facts["verdict"], facts["findings_total"]) == (1, 1, "SEALED", 2)
        problem = {"problem": "is not the canonical JSON of an object", "expected": "''", "seen": "''"}
        assert facts["findings"][0] == {"file": EVENTS, "line": 25, **problem}
        assert facts["run_digest"] == json.loads((folder / MANIFEST).read_bytes())["run_digest"]

    def test_renamed_folder_is_a_note(self, tmp_path: Path) -> None:
        """A renamed folder is a note for each of the two verifiers, in text and JSON, and no finding."""
        folder = good_run("completed").write(tmp_path, "received")
        assert judged(folder) == (("SEALED", frozenset()),) * 2
        note = "the folder is called 'received', the run 'run_demo_001'"
        assert run_it(folder)[:2] == (0, f"unchecked: {verify_run.NEVER}\nnote: {note}\nSEALED, 0 findings\n")
        assert json.loads(run_it(folder, "--json")[1])["notes"] == [note]

    @pytest.mark.parametrize("there", [False, True])
    def test_no_directory_exits_2(self, tmp_path: Path, there: bool) -> None:
        """The second verifier exits 2 when the given path is missing or is a file."""
        path = tmp_path / "run"
        if there:
            path.touch()
        code, out, err = run_it(path)
        assert (code, out) == (2, "")
        assert err.startswith("no report possible: ")

    def test_invalid_digest_exits_2(self, tmp_path: Path) -> None:
        """The second verifier exits 2 when the expected digest is no digest."""
        code, out, err = run_it(tmp_path, "--expect-digest", "abc")
        assert (code, out) == (2, "")
        assert "64 lower-case hex digits" in err


class TestAnchor:
    """A digest from elsewhere pins the run."""

    def test_expected_digest_is_no_finding(self, tmp_path: Path) -> None:
        """A run whose manifest has the expected digest has no finding."""
        folder = good_run("completed").write(tmp_path)
        digest = json.loads((folder / MANIFEST).read_bytes())["run_digest"]
        assert verify_run.verify(folder, digest).total == 0

    @pytest.mark.parametrize("sealed", [True, False])
    def test_other_digest_is_a_finding(self, tmp_path: Path, sealed: bool) -> None:
        """A run with another digest than the expected one, or with none, has a finding."""
        run = good_run("completed")
        run.sealed = sealed
        (finding,) = verify_run.verify(run.write(tmp_path), "0" * 64).findings
        assert (finding.file, finding.problem) == (MANIFEST, "run_digest is another")


class TestBounds:
    """Whatever a file holds, memory, time and output stay bounded."""

    def test_number_of_findings_is_bounded(self, tmp_path: Path) -> None:
        """A file of 5,000 bad lines gives 100 findings and the number of all."""
        folder = good_run("completed").write(tmp_path)
        (folder / EVENTS).write_bytes(b"null\n" * 5000)
        report = verify_run.verify(folder)
        assert (len(report.findings), report.total) == (100, 5001)

    def test_endless_line_is_bounded(self, tmp_path: Path) -> None:
        """A line of 64 MiB without an end gives one finding beside that of the hash."""
        folder = good_run("completed").write(tmp_path)
        with (folder / METRICS).open("r+b") as stream:
            stream.truncate(64 << 20)
        report = verify_run.verify(folder)
        assert [finding.line for finding in report.findings] == [2, 0]

    def test_shown_values_are_printable(self, tmp_path: Path) -> None:
        """A value is shown short and printable, so that no value can forge a line of the report."""
        run = good_run("completed")
        run.metrics["status"] = "COMPLETED\nSEALED, 0 findings\x1b[2J" + "x" * 5000
        code, out, _ = run_it(run.write(tmp_path))
        assert code == 1
        assert max(map(len, out.splitlines())) < 400
        assert out.splitlines().count("SEALED, 0 findings") == 0
        assert "\x1b" not in out

    def test_only_contract_files_are_opened(self, tmp_path: Path) -> None:
        """The second verifier opens the files of the contract alone, whatever paths a manifest names."""
        bait = tmp_path / "bait.txt"
        bait.write_text("secret")
        run = good_run("completed")
        run.manifest = run.make_manifest({key: data for key, data in run.contents().items() if key != MANIFEST})
        run.manifest["strategy"] = {"origin": "file", "sha256": None, "path": str(bait)}
        run.manifest["artifacts"][str(bait)] = {"sha256": "0" * 64, "bytes": 6, "lines": 0}
        folder = run.write(tmp_path)
        program = (
            "import sys; opened = []\n"
            "sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == 'open' else None)\n"
            f"sys.path.insert(0, {str(FILE.parent)!r}); import verify_run; opened.clear()\n"
            f"from pathlib import Path; verify_run.verify(Path({str(folder)!r})); print(*opened, sep='\\n')"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
        opened = {Path(name).name for name in done.stdout.splitlines() if str(tmp_path) in name}
        assert opened == {*verify_run.SEALED, MANIFEST}


def _form(field: Field) -> str:
    kinds = {FieldKind.TEXT_LIST: "texts", FieldKind.CHOICE: "choice"}
    kind = "signed" if field.negative else kinds.get(field.kind, field.kind.value)
    return kind + ("?" if field.nullable else "")


class TestTables:
    """The tables that the second verifier copied are those of the contract."""

    @pytest.mark.parametrize("name", [*Artifact, *PAYLOADS])
    def test_fields_match_the_contract(self, name: Any) -> None:
        """The second verifier's fields have the names, kinds, words and nulls of the contract."""
        if name in (Artifact.ENVIRONMENT, Artifact.STRATEGY):
            assert name not in verify_run.FORMS
            return
        told = {field.name: field for field in (SCHEMA_OF[name][1] if name in SCHEMA_OF else PAYLOADS[name])}
        copied = verify_run.FORMS[name.value]
        assert set(copied) == set(told)
        for key, form in copied.items():
            field, words = told[key], form[1:].rstrip("?")
            if form[0] == "=":
                assert set(verify_run.WORDS.get(words, words.split("|"))) == set(field.choices)
                assert form.endswith("?") == field.nullable
            else:
                assert form[1:] == _form(field), key

    def test_states_match_the_contract(self) -> None:
        """The second verifier's phases, statuses, codes and checks are those of the contract."""
        table = {(phase.value, trigger.value): after.value for (phase, trigger), after in SESSION_TABLE.items()}
        assert table == verify_run.PHASES
        assert {phase.value: status.value for phase, status in STATUS_OF_PHASE.items()} == verify_run.STATUS
        assert {check.name: check.code.value for check in CHECKS} == verify_run.CHECKS
        assert set(verify_run.WORDS["<code>"]) == {*AuditCode, *RejectCode, *FailCode}

    def test_chosen_run_id_is_reported(self, tmp_path: Path) -> None:
        """A run_id shaped like a derived one that does not fit the config is reported and is no finding."""
        run = good_run("completed")
        assert verify_run.verify(good_run("run_id derived").write(tmp_path)).unchecked == [verify_run.NEVER]
        run.run_id = run.config["run_id"] = "dry-0123456789ab"
        for line in [*run.events, *run.snapshots, run.metrics]:
            line["run_id"] = run.run_id
        run.payloads("SESSION_START")[0]["config_sha256"] = verify_run.digest(run.config)
        run.rehash()
        report = verify_run.verify(run.write(tmp_path))
        assert report.total == 0
        assert any("was chosen by hand" in what for what in report.unchecked)
