"""The package stays compact: budgets of lines, bounds on modules, headers and functions, and nothing unused."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "c2lib"
MODULES = sorted(PACKAGE.rglob("*.py"))
COUNTED = sorted([*MODULES, *PACKAGE.rglob("*.js")])
"""What counts as lines of its folder: modules, and the scripts of pages."""

BUDGETS = {
    ("core",): 2400,
    ("record",): 900,
    ("market",): 1250,
    ("broker",): 1200,
    ("session",): 2200,
    ("witness",): 3000,
    ("evidence",): 1700,
    ("app",): 2000,
    ("cli", "jupyter"): 1250,
}
"""Most physical lines of each folder, of two together where they share a budget."""

BEYOND_BUDGET: dict[tuple[str, ...], int] = {
    ("core",): 252,
    ("witness",): 770,
    ("evidence",): 235,
    ("session",): 30,
    ("app",): 160,
    ("cli", "jupyter"): 240,
}
"""How far a folder may exceed its budget; docs/adr/0007-compact.md gives the reason of each."""

MOST_LINES_IN_ALL, BEYOND_ALL = 15_900, 1_210
"""The budget of the whole, and how far it may be exceeded: more than the 5 % of the design, as the decision says."""

MOST_LINES_OF_A_MODULE = 450
MOST_LINES_OF_A_HEADER = 6
MOST_LINES_OF_A_FUNCTION = 60
USERS = [*MODULES, *sorted((ROOT / "docs").rglob("*.py")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]
"""Where a definition may be used; a use in a test alone does not count."""

CALLED_BY_OTHERS = {
    "error": "argparse",
    "execute_notebook": "papermill",
    "nb_kernel_name": "papermill",
    "nb_language": "papermill",
    "exit_code": "click",
    "model_config": "pydantic",
    "main": "the console script",
    "ReproducibleEngine": "the entry point of papermill's engines",
    "_render_traceback_": "IPython",
    "_repr_html_": "IPython",
    "average_entry_price": "strategies",
    "to_ticks": "strategies",
    "to_lots": "strategies",
    "open_session": "researchers",
}
"""Names that a library or a strategy looks up."""


def name_of(path: Path) -> str:
    """Return a module's path within the package."""
    return path.relative_to(PACKAGE).as_posix()


def line_count(path: Path) -> int:
    """Return how many physical lines a file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("folders", "budget"), BUDGETS.items(), ids=lambda value: "+".join(value) if isinstance(value, tuple) else ""
)
def test_folder_keeps_budget(folders: tuple[str, ...], budget: int) -> None:
    """A folder of the package has no more physical lines than its budget."""
    allowed = budget + BEYOND_BUDGET.get(folders, 0)
    assert sum(line_count(path) for path in COUNTED if name_of(path).split("/")[0] in folders) <= allowed


def test_excess_has_its_reason() -> None:
    """Each excess over a budget is needed and stands with its number in the decision on compactness."""
    page = (ROOT / "docs" / "adr" / "0007-compact.md").read_text(encoding="utf-8")
    for folders, excess in BEYOND_BUDGET.items():
        lines = sum(line_count(path) for path in COUNTED if name_of(path).split("/")[0] in folders)
        assert lines > BUDGETS[folders] + excess - 100, "the excess may fall"
        assert f"| `{'`, `'.join(folders)}` | {BUDGETS[folders]:,} | {excess:,} |" in page


def test_package_keeps_budget() -> None:
    """The package exceeds its budget by no more than its decision on compactness says, and every folder has one."""
    assert sum(map(line_count, COUNTED)) <= MOST_LINES_IN_ALL + BEYOND_ALL
    assert sum(map(line_count, COUNTED)) > MOST_LINES_IN_ALL + BEYOND_ALL - 100, "the excess may fall"
    page = (ROOT / "docs" / "adr" / "0007-compact.md").read_text(encoding="utf-8")
    assert f"| all | {MOST_LINES_IN_ALL:,} | {BEYOND_ALL:,} |" in page
    folders = {name_of(path).split("/")[0] for path in COUNTED if path.parent != PACKAGE}
    assert folders == {folder for folders in BUDGETS for folder in folders}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_short(path: Path) -> None:
    """A module opens with one to six lines and has at most 450."""
    header = ast.get_docstring(ast.parse(path.read_bytes()))
    assert header
    assert len(header.splitlines()) <= MOST_LINES_OF_A_HEADER
    assert line_count(path) <= MOST_LINES_OF_A_MODULE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_fit_a_screen(path: Path) -> None:
    """A function has at most 60 lines, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node, clean=False) or ""
            lines = (node.end_lineno or 0) - node.lineno - len(text.splitlines())
            assert lines < MOST_LINES_OF_A_FUNCTION, node.name


def source_of(path: Path) -> str:
    """Return the Python of a module, or of a notebook's code cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    import nbformat

    cells = nbformat.reads(text, as_version=4).cells  # type: ignore[no-untyped-call] # nbformat is half typed
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yield the name of every function, class, method and constant of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_called_by_pydantic(node):
            yield node.name
        if isinstance(node, ast.ClassDef) and not is_vocabulary(node):
            yield from (name for part in node.body if isinstance(part, ast.Assign) for name in assigned(part))
    yield from (name for part in tree.body if isinstance(part, ast.Assign | ast.AnnAssign) for name in assigned(part))


def assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    """Yield the names that an assignment binds."""
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def is_vocabulary(node: ast.ClassDef) -> bool:
    """Return whether a class is an enum, whose words need no use each."""
    return any("Enum" in ast.unparse(base) for base in node.bases)


def is_called_by_pydantic(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Return whether a method is a validator."""
    return any("validator" in ast.unparse(item) for item in node.decorator_list)


def uses(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a module reads, as a name, an attribute, a keyword or an import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            # the table of public names, and names that are looked up
            yield node.value


def unused() -> set[str]:
    """Return the definitions that nothing outside the tests uses."""
    trees = {path: ast.parse(source_of(path)) for path in USERS}
    used = Counter(name for tree in trees.values() for name in uses(tree))
    defined = {(name_of(path), name) for path in MODULES for name in definitions(trees[path])}
    return {
        f"{module}: {name}"
        for module, name in defined
        if not used[name] and name not in CALLED_BY_OTHERS and not (name.startswith("__") and name.endswith("__"))
    }


def test_definitions_are_used() -> None:
    """Everything that the package defines is used by the package, its notebooks or its documentation."""
    assert unused() == set()


def test_names_of_others_are_defined() -> None:
    """No name stays excused that is no longer defined."""
    defined = {name for path in MODULES for name in definitions(ast.parse(path.read_bytes()))}
    assert set(CALLED_BY_OTHERS) <= defined
