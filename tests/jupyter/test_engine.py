"""The papermill engine: parameters checked first, a success that is one, bytes that can be reproduced."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import DeadKernelError

from c2lib.jupyter.engine import (
    RefusedParameterError,
    ReproducibleEngine,
    UnfinishedNotebookError,
    normalise,
    parameter_names,
)

FORMAT: Any = nbformat
MAKE: Any = nbformat.v4
# both are half typed, and not where they are called here

PARAMETERS = MAKE.new_code_cell(
    'seed: int = 1  # a seed\nrun_id = ""\na, b = 1, 2\nseed + 1', metadata={"tags": ["parameters"]}
)


def notebook(*cells: Any) -> Any:
    """Return a notebook of code cells for this kernel."""
    made = MAKE.new_notebook(cells=[MAKE.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def executed(*cells: Any) -> Any:
    """Return a notebook as the papermill engine gets it back."""
    made = notebook(*cells)
    for number, cell in enumerate(made.cells):
        if cell.cell_type == "code":
            cell["execution_count"] = number + 1
    return made


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let papermill's engine give back the notebooks of this list instead of asking a kernel."""
    answers: list[Any] = []

    monkeypatch.setattr("papermill.engines.NBClientEngine.execute_notebook", lambda *given, **options: answers.pop(0))
    return answers


def injected(**parameters: Any) -> Any:
    """Return the cell that papermill injects."""
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    return MAKE.new_code_cell(lines, metadata={"tags": ["injected-parameters"]})


def run(metadata: Any = None, **parameters: Any) -> Any:
    """Run a notebook with parameters through the engine, one of ours unless other metadata is given."""
    made = notebook(PARAMETERS, injected(**parameters))
    made.metadata["c2lib"] = {"parameters": "dryrun"} if metadata is None else metadata
    made.metadata["papermill"] = {"parameters": parameters}
    return ReproducibleEngine.execute_notebook(made, "python3")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (PARAMETERS.source, ["run_id", "seed"]),
        ("%matplotlib inline\n!ls\nseed = 1", ["seed"]),
        ("seed: int | None = None  # a seed\nx: dict[str, int] = {\n    'a': 1,\n}\nif x:\n    y = 1", ["seed", "x"]),
        ("seed <- 1L\nname<-'x'", ["name", "seed"]),
        ("seed == 1\nf(x=1)\n# x = 1\nseed.x = 2", []),
        ("größe = 1", ["größe"]),
    ],
)
def test_parameters_are_assigned_names(source: str, names: list[str]) -> None:
    """The parameters of a notebook are the names that its parameters cell assigns, annotated or not, in Python or R."""
    cell = MAKE.new_code_cell(source, metadata={"tags": ["parameters"]})
    assert parameter_names(notebook("other = 1", cell)) == names
    assert parameter_names(notebook(source)) == []


def test_foreign_notebook_names_checked(kernel: list[Any]) -> None:
    """Values for somebody else's notebook are taken as they are, names as its parameters cell has them."""
    for metadata in ({}, {"other": 1}, {"parameters": "unknown"}):
        done = executed(PARAMETERS, injected(seed="", run_id="../x"))
        kernel.append(done)
        assert run(metadata, seed="", run_id="../x") is done
        with pytest.raises(RefusedParameterError, match=r"seed=1;x: is no parameter of this notebook"):
            run(metadata, **{"seed=1;x": 1})


def foreign(folder: Path, last: str) -> "subprocess.CompletedProcess[str]":
    """Run a notebook that knows nothing of c2lib by papermill's command line, with values that ours would not take."""
    cells: list[Any] = [
        MAKE.new_markdown_cell("# theirs"),
        MAKE.new_code_cell("names = []\nshare = 0.5\nmore = {}\nowner = 'x'", metadata={"tags": ["parameters"]}),
        "print(names, share, more, repr(owner))",
        MAKE.new_code_cell("1 / 0", metadata={"tags": ["skip-execution"]}),
        MAKE.new_raw_cell("text"),
        last,
        "",
    ]
    FORMAT.write(notebook(*cells), folder / "in.ipynb")
    given = ("-y", '{names: [a, b], share: 0.25, more: {a: 1}, owner: ""}')
    call = [
        sys.executable,
        "-m",
        "papermill",
        "--engine",
        "c2lib",
        "--no-progress-bar",
        "in.ipynb",
        "out.ipynb",
        *given,
    ]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_foreign_notebook_runs_whole(tmp_path: Path) -> None:
    """Somebody else's notebook takes lists, mappings, shares and an empty text, and may leave cells out."""
    done = foreign(tmp_path, "2")
    assert done.returncode == 0, done.stderr
    made = FORMAT.read(tmp_path / "out.ipynb", as_version=4)
    printed = [output.text for cell in made.cells for output in cell.get("outputs", ()) if "text" in output]
    assert printed == ["['a', 'b'] 0.25 {'a': 1} ''\n"]
    kept = {"names": ["a", "b"], "share": 0.25, "more": {"a": 1}, "owner": ""}
    assert made.metadata["papermill"] == {"parameters": kept}


def test_foreign_failure_keeps_words(tmp_path: Path) -> None:
    """A cell of somebody else's notebook that raises fails the call, and what it says is left as it is."""
    done = foreign(tmp_path, "raise ValueError('add --tick-size 1')")
    assert done.returncode == 1
    assert "ValueError: add --tick-size 1" in done.stderr
    made = FORMAT.read(tmp_path / "out.ipynb", as_version=4)
    assert [output.evalue for cell in made.cells for output in cell.get("outputs", ()) if "evalue" in output] == [
        "add --tick-size 1"
    ]


def test_notebook_without_parameters_refuses() -> None:
    """A parameter for a notebook without a parameters cell is refused, and says that there are none."""
    made = notebook(injected(seed=1))
    made.metadata["papermill"] = {"parameters": {"seed": 1}}
    with pytest.raises(RefusedParameterError, match=r"seed: is no parameter of this notebook \(it has none\)"):
        ReproducibleEngine.execute_notebook(made, "python3")


def test_stale_parameters_are_dropped(kernel: list[Any]) -> None:
    """Parameters that an earlier execution stored are neither checked nor kept where their cell is gone."""
    made = notebook(PARAMETERS)
    made.metadata["papermill"] = {"parameters": {"no longer there": 1}}
    kernel.append(made)
    made.cells[0]["execution_count"] = 1
    assert "papermill" not in ReproducibleEngine.execute_notebook(made, "python3").metadata


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"steps": 5}, "steps: is no parameter of this notebook (it has run_id, seed)"),
        ({"seed": "abc"}, "seed: input should be a valid integer"),
        ({"run_id": "../x"}, "run_id: cannot name a run directory"),
        ({"x\n= 1": 5}, "x\\n= 1: is no parameter of this notebook (it has run_id, seed)"),
    ],
)
def test_refused_parameter_runs_nothing(kernel: list[Any], parameters: dict[str, Any], message: str) -> None:
    """A refused parameter is named in one line with exit code 2, and no cell runs."""
    with pytest.raises(RefusedParameterError) as caught:
        run(**parameters)
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


def test_valid_parameters_run_notebook(kernel: list[Any]) -> None:
    """A notebook with valid parameters runs and comes back normalised."""
    done = executed(injected(seed=7), "1")
    done.metadata["papermill"] = {"parameters": {"seed": 7}, "duration": 3.5, "output_path": "/somewhere/out.ipynb"}
    kernel.append(done)
    assert run(seed=7).metadata["papermill"] == {"parameters": {"seed": 7}}


def test_last_output_is_logged(kernel: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    """What the last cell of a notebook of ours prints is said by papermill's log, and of no other notebook."""
    caplog.set_level("INFO", "papermill")
    for metadata in ({"c2lib": {"parameters": "dryrun"}}, {}):
        cell = MAKE.new_code_cell("1", outputs=[MAKE.new_output("stream", name="stdout", text="PASS: here\n")])
        done = executed("1", cell)
        done.metadata.update(metadata)
        kernel.append(done)
        run({})
    assert caplog.messages == ["PASS: here"]


def broken(cell: Any, kind: str) -> Any:
    """Return a cell that ended in an error."""
    cell["outputs"] = [MAKE.new_output("error", ename=kind, evalue="0", traceback=[])]
    return cell


def silent(cell: Any) -> Any:
    """Return a cell of which papermill recorded an error that has no output."""
    cell.metadata["papermill"] = {"exception": True}
    return cell


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([broken(MAKE.new_code_cell("exit"), "SystemExit"), "2"], "cell 0 left with SystemExit"),
        (["1", broken(MAKE.new_code_cell("exit"), "SystemExit")], "cell 1 left with SystemExit"),
        (["1", silent(MAKE.new_code_cell("2"))], "cell 1 failed without saying how"),
    ],
)
def test_silent_failures_are_failures(kernel: list[Any], cells: list[Any], message: str) -> None:
    """A cell that exited or failed silently fails the notebook, although papermill accepts such a cell."""
    kernel.append(executed(*cells))
    with pytest.raises(Exception, match=message):
        run()


def test_unexecuted_cell_is_a_failure(kernel: list[Any]) -> None:
    """A code cell without an execution count fails the notebook."""
    done = executed("1", MAKE.new_markdown_cell("text"), "2")
    done.cells[2]["execution_count"] = None
    kernel.append(done)
    with pytest.raises(Exception, match="cell 2 never ran"):
        run()


@pytest.mark.parametrize("error", [DeadKernelError("Kernel died"), NoSuchKernel("python3")], ids=["dead", "none"])
def test_lost_kernel_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A kernel that is not there, or is ended, is one line that names it, and no traceback of papermill's."""

    def fail(*given: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("papermill.engines.NBClientEngine.execute_notebook", fail)
    with pytest.raises(UnfinishedNotebookError, match=r"the kernel 'python3' is not there or was ended: .+"):
        run()


def test_raised_error_stays_for_papermill(kernel: list[Any]) -> None:
    """The error output of a cell that raised stays in the notebook, so that papermill shows that error."""
    done = executed(broken(MAKE.new_code_cell("1/0"), "ZeroDivisionError"), "2")
    done.cells[1]["execution_count"] = None
    kernel.append(done)
    assert run().cells[0].outputs[0].ename == "ZeroDivisionError"


def test_message_names_parameters(kernel: list[Any]) -> None:
    """An error in a notebook of ours names parameters in the place of the command line's flags."""
    for metadata, word in ((None, "-p tick_size"), ({}, "--tick-size")):
        cell = broken(MAKE.new_code_cell("run"), "ConfigError")
        cell.outputs[0]["traceback"] = ["ConfigError: x (add --tick-size 1)"]
        done = executed(cell)
        done.metadata.update({"c2lib": {"parameters": "dryrun"}} if metadata is None else {})
        kernel.append(done)
        assert run(metadata).cells[0].outputs[0].traceback == [f"ConfigError: x (add {word} 1)"]


def test_normalising_removes_variable_values() -> None:
    """Normalising removes times, versions, random ids and paths, and normalising again changes nothing."""
    done = executed(injected(seed=7), "1")
    done.cells[0]["id"] = "a1b2c3"
    done.cells[1].metadata.update(papermill={"duration": 1.5}, execution={"iopub.execute_input": "2026-01-01"})
    done.metadata.update(
        papermill={"start_time": "2026", "input_path": "/x"}, widgets={}, language_info={"version": "3"}
    )
    once = FORMAT.writes(normalise(done))
    assert not any(word in once for word in ("duration", 'execution"', "a1b2c3", "/x", "widgets", '"version"', "2026"))
    assert '"id": "injected-parameters-0"' in once
    assert FORMAT.writes(normalise(done)) == once


def execute(source: Path, target: Path, **parameters: Any) -> Any:
    """Execute a notebook by papermill and return what it wrote."""
    papermill.execute_notebook(source, target, parameters, engine_name="c2lib", progress_bar=False, cwd=source.parent)
    return FORMAT.read(target, as_version=4)


def test_papermill_executions_are_reproducible(tmp_path: Path) -> None:
    """Papermill finds the engine by name, and two executions of a notebook give the same bytes."""
    source, one, two = (tmp_path / name for name in ("in.ipynb", "one.ipynb", "two.ipynb"))
    FORMAT.write(notebook(PARAMETERS, "print(seed)\nprint('two')"), source)
    output = execute(source, one, seed=7).cells[-1].outputs
    execute(source, two, seed=7)
    assert one.read_bytes() == two.read_bytes()
    assert str(tmp_path).encode() not in one.read_bytes()
    assert [(part.name, part.text) for part in output] == [("stdout", "7\ntwo\n")]


@pytest.mark.parametrize("cwd", [None, "elsewhere"])
def test_output_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cwd: str | None) -> None:
    """The folder of the output notebook is made, where papermill alone would stop, below the folder it is called in."""
    monkeypatch.chdir(tmp_path)
    Path("elsewhere").mkdir()
    FORMAT.write(notebook("1"), "in.ipynb")
    papermill.execute_notebook("in.ipynb", "a/b/out.ipynb", engine_name="c2lib", progress_bar=False, cwd=cwd)
    assert FORMAT.read("a/b/out.ipynb", as_version=4).cells[0].execution_count == 1


def test_executed_notebook_runs_again(tmp_path: Path) -> None:
    """An executed notebook, run again, stores the parameters that this execution ran with."""
    source, one, two = (tmp_path / name for name in ("in.ipynb", "one.ipynb", "two.ipynb"))
    FORMAT.write(notebook(PARAMETERS, "print(seed, run_id)"), source)
    execute(source, one, seed=7)
    for given, stored, printed in (
        ({}, {"seed": 7}, "7 \n"),
        ({"run_id": "x"}, {"run_id": "x"}, "1 x\n"),
        ({"seed": 8}, {"seed": 8}, "8 \n"),
    ):
        done = execute(one, two, **given)
        assert done.metadata["papermill"] == {"parameters": stored}
        assert done.cells[-1].outputs[0].text == printed
    done.cells = [cell for cell in done.cells if "injected-parameters" not in cell.metadata.get("tags", ())]
    FORMAT.write(done, one)
    done = execute(one, two)
    assert "papermill" not in done.metadata
    assert done.cells[-1].outputs[0].text == "1 \n"


def test_engine_imports_before_papermill() -> None:
    """The engine can be imported before papermill, which loads its engines on import."""
    program = "import c2lib.jupyter.engine, papermill.engines as e; print(e.papermill_engines.get_engine('c2lib'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("<class 'c2lib.jupyter.engine.ReproducibleEngine'>\n", "")


def test_engine_names_notebook_kernel() -> None:
    """The engine answers papermill with the notebook's own kernel and language."""
    assert ReproducibleEngine.nb_kernel_name(notebook("1")) == "python3"
    assert ReproducibleEngine.nb_language(notebook("1")) == "python"
