"""The committed notebooks: thin, with outputs, the same bytes every time, and trustworthy when they fail."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from click.testing import CliRunner
from IPython.display import Image as DisplayedImage
from matplotlib.figure import Figure
from papermill.cli import papermill
from papermill.exceptions import strip_color

from c2lib.app.verify import verify_run
from c2lib.jupyter.engine import MODELS, normalise
from c2lib.jupyter.notebook import DryrunParameters
from c2lib.record.files import run_path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DRYRUN = ROOT / "notebooks" / "01_dryrun.ipynb"
PICTURES = {"phases.png", "price.png", "tear_sheet.png"}
MOST_LINES = 15
THICK = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.Try,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
    ast.GeneratorExp,
)
"""What has no place in a cell."""

FORMAT: Any = nbformat
# half typed, and not where it is called here

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


class Told(NamedTuple):
    """The exit code and output of a papermill call."""

    code: int
    out: str


def notebook(path: Path) -> Any:
    """Return a notebook."""
    return FORMAT.read(path, as_version=4)


def code_cells(path: Path) -> list[Any]:
    """Return the code cells of a notebook."""
    return [cell for cell in notebook(path).cells if cell.cell_type == "code"]


def parameters_cell(path: Path) -> Any:
    """Return the one cell that is tagged as such."""
    (cell,) = [cell for cell in code_cells(path) if "parameters" in cell.metadata.get("tags", ())]
    return cell


def output_text(path: Path) -> str:
    """Return everything that the outputs of a notebook say, pictures left out."""
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    texts = [str(output.get("text", "")) for output in outputs]
    return "\n".join(texts + [str(output.get("data", {}).get("text/markdown", "")) for output in outputs])


def call(source: Path, target: Path, *words: str) -> Told:
    """Run a notebook by papermill's command line, in this process; the kernel is a process of its own."""
    options = ["--engine", "c2lib", "--no-progress-bar", "--cwd", str(target.parent)]
    answer = CliRunner().invoke(papermill, [*options, str(source), str(target), *words])
    error = f"\n{type(answer.exception).__name__}: {answer.exception}" if answer.exception else ""
    return Told(answer.exit_code, answer.output + error)


@pytest.fixture(autouse=True)
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the output root that every kernel of a test gets."""
    root = tmp_path / "out"
    monkeypatch.setenv("C2LIB_OUT", str(root))
    return root


@every_notebook
def test_outputs_are_committed(path: Path) -> None:
    """Every notebook is committed with its outputs and consecutive execution counts."""
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)
    assert all(cell.outputs for cell in cells if "print(" in cell.source or "show_" in cell.source)


@every_notebook
def test_notebook_is_normalised(path: Path) -> None:
    """Every committed notebook is normalised and written as papermill writes notebooks."""
    made = notebook(path)
    assert normalise(deepcopy(made)) == made
    assert path.read_text(encoding="utf-8") == FORMAT.writes(made)
    assert not {"widgets", "papermill"} & set(made.metadata)


@every_notebook
def test_outputs_hold_no_machine_facts(path: Path) -> None:
    """The outputs of a notebook hold no path, stderr, widget or error, and no word on an earlier run."""
    text = output_text(path)
    assert not re.search(r"(?<![\w.:&;#/<}])/[a-z]+/", text), text
    assert str(ROOT) not in path.read_text()
    for cell in code_cells(path):
        for output in cell.outputs:
            # the draft has a claim of that name, which is the same whether the run was there before or not
            assert not re.search(r"\b(published|reproduced)\b", output.get("text", ""))
            assert output.get("name") != "stderr"
            assert not any("widget" in kind for kind in output.get("data", {}))
            assert output.output_type != "error"


@every_notebook
def test_parameters_are_simple_and_typed(path: Path) -> None:
    """The parameters of a notebook are annotated texts, integers and booleans, each with a comment."""
    source = parameters_cell(path).source
    for node, line in zip(ast.parse(source).body, source.splitlines(), strict=True):
        assert isinstance(node, ast.AnnAssign), line
        assert ast.unparse(node.annotation) in {"str", "int", "bool"}, line
        assert isinstance(node.value, ast.Constant), line
        assert type(node.value.value).__name__ == ast.unparse(node.annotation), line
        assert "  # " in line, line


@every_notebook
def test_cells_are_thin(path: Path) -> None:
    """The cells of a notebook are a few lines without functions, classes or loops."""
    for cell in code_cells(path):
        tree = ast.parse(cell.source)
        assert not any(isinstance(node, THICK) for node in ast.walk(tree)), cell.source
        # unparsed, each statement is one line, however its arguments are laid out; parameters have a test of their own
        assert cell == parameters_cell(path) or len(ast.unparse(tree).splitlines()) <= MOST_LINES, cell.source


@every_notebook
def test_each_cell_answers_a_question(path: Path) -> None:
    """Every code cell of a notebook follows a markdown cell, and the last cell asserts."""
    cells = notebook(path).cells
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.cell_type == "code":
            assert before is not None
            assert before.cell_type == "markdown"
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cells[-1].source)))


@every_notebook
def test_execution_gives_committed_bytes(path: Path, tmp_path: Path, out: Path) -> None:
    """A notebook executed in another process, folder, time zone and hash seed gives the committed bytes."""
    target = tmp_path / "deep" / path.name
    target.parent.mkdir()
    program = str(Path(sys.executable).with_name("papermill"))
    words = [program, "--engine", "c2lib", "--no-progress-bar", str(path), str(target)]
    env = {**os.environ, "C2LIB_OUT": str(out), "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "11"}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == path.read_bytes()


def test_dry_run_leaves_its_files(tmp_path: Path, out: Path) -> None:
    """The dry-run notebook, given other parameters and a market file, leaves its run, draft and pictures."""
    market = tmp_path / "day.csv"
    rows = [f"2026-01-02 {n // 60:02}:{n % 60:02}:00,{100 + n % 7},110,90,{100 + n % 5}\n" for n in range(70)]
    market.write_text("date,open,high,low,close\n" + "".join(rows))
    given = {
        "run_id": "nb_run",
        "seed": "7",
        "steps": "60",
        "market": str(market),
        "symbol": "ADA",
        "evidence_date": "2026-02-03",
        "owner": "Q",
    }
    words = [word for name, value in given.items() for word in ("-p", name, value)]
    told = call(DRYRUN, tmp_path / "done.ipynb", *words)
    assert told.code == 0, told.out
    place = run_path(out, "nb_run")
    assert verify_run(place, replay=True, market=market).ok
    evidence = place / "evidence"
    assert {path.name for path in evidence.iterdir()} == {"EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md", *PICTURES}
    parameters = notebook(tmp_path / "done.ipynb").metadata["papermill"]["parameters"]
    assert parameters == given | {"seed": 7, "steps": 60}


OWN = """
from c2lib import OrderIntent

class Mine:
    def __init__(self, settings):
        self.every = settings.params["every"]

    def on_bar(self, bar, view):
        if bar.bar_index % self.every == 0:
            return [OrderIntent("SELL" if view.position else "BUY", view.position or 1)]
"""
ALLOWED = ("-p", "strategy_id", "mine", "-p", "allow", "mine")


def test_own_strategy_passes(tmp_path: Path, out: Path) -> None:
    """A strategy of one's own runs to a PASS in one papermill call; the same again is compared, an edit is a run."""
    file, target = tmp_path / "mine.py", tmp_path / "done.ipynb"
    words = ("-p", "strategy_file", "mine.py:Mine", *ALLOWED, "-p", "evidence_date", "2026-02-03")
    made: list[set[str]] = []
    for text, more in (
        (OWN, ("-p", "strategy_params", '{"every": 3}')),
        (OWN, ("-y", "strategy_params: {every: 3}")),
        (OWN + "# edited\n", ("-p", "strategy_params", '{"every": 3}')),
    ):
        file.write_text(text)
        told = call(DRYRUN, target, *words, *more)
        assert told.code == 0, told.out
        made.append({place.name for place in run_path(out, "x").parent.iterdir()})
        assert code_cells(target)[-1].outputs[0].text.startswith("PASS")
    assert [len(names) for names in made] == [1, 1, 2]
    for name in made[-1]:
        names = [path.name for path in (run_path(out, name) / "evidence").glob("EV-*")]
        assert names == ["EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md"]


@pytest.mark.parametrize(
    ("source", "words", "lines"),
    [
        ("", ALLOWED, ["StrategyLoadError: mine.py defines no Mine at its top level"]),
        (OWN, (*ALLOWED, "-p", "market", "none.csv"), ["MarketDataError: none.csv: there is no such file"]),
        (OWN, ("-p", "strategy_id", "mine"), ["AssertionError: strategy 'mine' is not on", "-p allow mine; claims"]),
        (OWN, ALLOWED, ["AssertionError: KeyError: ", "strategy.py:6: self.every = settings.params"]),
        (OWN, ("-p", "strategy_id", "sma_cross"), ["ConfigError: strategy_id: ", "-p strategy_id mine -p allow mine"]),
    ],
    ids=["class", "market", "allow", "raises", "name"],
)
def test_user_error_is_short(tmp_path: Path, source: str, words: tuple[str, ...], lines: list[str]) -> None:
    """What a user caused is one line on stderr, and stands in the executed notebook without a page of traceback."""
    (tmp_path / "mine.py").write_text(source)
    told = call(DRYRUN, tmp_path / "done.ipynb", "-p", "strategy_file", "mine.py:Mine", *words)
    assert told.code == 1
    (shown,) = [line for line in told.out.splitlines() if line.startswith("Error: cell [")]
    assert "Traceback" not in told.out
    errors = [output for cell in code_cells(tmp_path / "done.ipynb") for output in cell.outputs if "ename" in output]
    text = strip_color("".join(errors[0].traceback))
    assert len(text.splitlines()) < 12
    assert all(line in shown and line in text for line in lines), (shown, text)


def test_pictures_are_drawn_once(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of the dry-run notebook draws each picture once, and shows the bytes that lie beside the evidence."""
    figures = Counter[type]()
    shown: list[Any] = []
    make = Figure.__init__

    def counted(figure: Figure, *args: Any, **options: Any) -> None:
        figures[type(figure)] += 1
        make(figure, *args, **options)

    monkeypatch.setattr(Figure, "__init__", counted)
    monkeypatch.setattr("IPython.display.display", shown.append)
    names: dict[str, Any] = {}
    for cell in code_cells(DRYRUN):
        exec(cell.source, names)
    assert figures == {Figure: len(PICTURES)}
    pictures = {path.read_bytes() for path in out.rglob("*.png")}
    assert pictures == {show.data for show in shown if isinstance(show, DisplayedImage)}
    assert len(pictures) == len(PICTURES)


def test_failed_verdict_fails_notebook(tmp_path: Path, out: Path) -> None:
    """A verdict that is no PASS fails the notebook and leaves the run with a FAIL draft."""
    told = call(DRYRUN, tmp_path / "done.ipynb", "-p", "run_id", "nb_run", "-p", "steps", "1")
    assert told.code != 0
    assert "AssertionError" in told.out
    (draft,) = (run_path(out, "nb_run") / "evidence").glob("EV-*.md")
    assert draft.name.endswith("-FAIL.md")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "sede", "7"), "sede: is no parameter of this notebook"),
        (("-p", "market", ""), "market: is empty (give a value, or leave it out)"),
        (("-p", "strategy_id", "sma"), "strategy_id: 'sma' is no built-in strategy, and no strategy file is given"),
        (("-p", "seed", "0"), "seed: is 0, which means left out (give a value, or leave it out)"),
        (("-p", "steps", "abc"), "steps: input should be a valid integer"),
        (("-p", "symbol", "7203"), "symbol: input should be a valid string (papermill's -r symbol keeps text)"),
        (("-p", "strategy_params", "{fast: 5}"), "strategy_params: must be a mapping, or its JSON text"),
        (("-p", "config_file", "none.yaml"), "none.yaml: cannot be read"),
        (("-p", "strategy_file", "mine.py:Mine"), "-p strategy_id: is left out (name the strategy of the file"),
        (("-r", "seed", "7"), "seed: input should be a valid integer"),
        (("-y", "strategy_id: NO"), "strategy_id: input should be a valid string"),
        (("-p", "run_id", "../x"), "run_id: cannot name a run directory"),
        (("-p", "evidence_date", "today"), "evidence_date: is not a day as YYYY-MM-DD"),
    ],
)
def test_wrong_parameter_runs_nothing(tmp_path: Path, out: Path, words: tuple[str, ...], message: str) -> None:
    """A wrong notebook parameter gives exit 2, one line naming the parameter, no notebook and no run."""
    told = call(DRYRUN, tmp_path / "done.ipynb", *words)
    assert told.code == 2
    (line,) = [line for line in told.out.splitlines() if line.startswith("Error: ")]
    assert line.startswith(f"Error: {message}")
    assert not (tmp_path / "done.ipynb").exists()
    assert not out.exists()


@pytest.mark.parametrize("leave", ["import sys\nsys.exit(0)", "import os\nos._exit(0)"])
def test_exiting_cell_fails_notebook(tmp_path: Path, leave: str) -> None:
    """A notebook fails when one of its cells exits the kernel's process."""
    made = FORMAT.v4.new_notebook(cells=[FORMAT.v4.new_code_cell(leave), FORMAT.v4.new_code_cell("assert False")])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    FORMAT.write(made, tmp_path / "in.ipynb")
    assert call(tmp_path / "in.ipynb", tmp_path / "done.ipynb").code != 0


def test_dry_run_parameters_are_complete() -> None:
    """The dry-run notebook has exactly the parameters of its model, in order, each left out."""
    names = [
        node.target.id
        for node in ast.parse(parameters_cell(DRYRUN).source).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    assert names == list(DryrunParameters.model_fields)
    assert {node.value.value for node in ast.parse(parameters_cell(DRYRUN).source).body if node.value} == {"", 0}
    assert MODELS[notebook(DRYRUN).metadata["c2lib"]["parameters"]] is DryrunParameters
