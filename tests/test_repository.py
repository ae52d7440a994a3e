"""Rules for the whole repository: what is tracked, and which module may import what."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "c2lib"
MOST_LINES = 650

DETERMINISTIC_ROOMS = ("core", "record", "market", "broker", "session", "witness", "evidence")
WALL_CLOCK_AND_CHANCE = {"time", "uuid", "secrets"}
NAMES_AT_RANDOM = "core/config.py"
"""Where a run on a class in memory gets its name, which nothing else could give."""
NETWORK_CLIENTS = {
    "aiohttp",
    "asyncio",
    "ftplib",
    "grpc",
    "http",
    "httpx",
    "imaplib",
    "nntplib",
    "poplib",
    "requests",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "telnetlib",
    "tornado",
    "urllib3",
    "websockets",
    "xmlrpc",
    "zmq",
    "_socket",
    "urllib.request",
}
CANARY = "session/nolive.py"
HOST = ("app/host_child.py", "app/strategy_host.py")
"""The two sides of the strategy host, which talk over a pair of sockets that have no address."""

# put together here, so that this page does not name them
REGISTRY_HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
MACHINE_PATHS = ["/".join(parts) for parts in (("", "work", "main"), ("", "root", ""), ("", "work", "shared"))]

SILENCED = re.compile(r"# *(?:noqa|type: *ignore|fmt:|pragma:|pyright:|mypy:)")
SILENCED_WITH_REASON = re.compile(
    r"# (?:noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - |type: ignore\[[a-z, -]+\] +# )\w{1,20}[^#]{3,}"
)
LEFT_OUT = re.compile(r"(?:pytest|unittest)\.(?:mark\.)?(?:skip\w*|xfail|importorskip)")


def tracked_files() -> list[Path]:
    """Return the files of the repository; without git, those that .gitignore does not leave out."""
    if (ROOT / ".git").exists():
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
        return [ROOT / name.decode() for name in done.stdout.split(b"\0") if name]
    return [path for path in ROOT.rglob("*") if path.is_file() and not is_ignored(path)]


def ignore_rules() -> list[str]:
    """Return the lines of .gitignore that say something."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def is_ignored(path: Path) -> bool:
    """Return whether .gitignore leaves a file out; knows as much of its language as our own file uses."""
    name = path.relative_to(ROOT).as_posix()
    ignored = False
    for rule in ignore_rules():
        pattern = rule.removeprefix("!").rstrip("/")
        if pattern.startswith("/"):
            parts = name.split("/")
            heads = ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
            hit = any(fnmatch(head, pattern) and head.count("/") == pattern.count("/") for head in heads)
        else:
            hit = any(fnmatch(part, pattern) for part in name.split("/"))
        if hit:
            ignored = not rule.startswith("!")
    return ignored or name.startswith(".git/")


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a module's path within the package."""
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes(path: Path) -> Iterator[str]:
    """Yield every ``a.b`` of a module as text."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def marks_without_reason(source: str) -> list[str]:
    """Return what silences a tool in a module without a code and a reason on its line, and each test left out."""
    comments = [
        token.string
        for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__)
        if token.type == tokenize.COMMENT
    ]
    found = [text for text in comments if SILENCED.search(text) and not SILENCED_WITH_REASON.search(text)]
    named = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    return found + [ast.unparse(node) for node in named if LEFT_OUT.fullmatch(ast.unparse(node))]


def test_every_mark_has_reason() -> None:
    """Whatever silences a tool names what it silences and why on its own line, and no test is left out."""
    files = [path for path in tracked_files() if path.suffix == ".py"]
    found = {path.name: marks for path in files if (marks := marks_without_reason(path.read_text(encoding="utf-8")))}
    assert len(files) > 200
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: S101",
        "x = 1  # noqa: S101 -",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore # is an int",
        "x = 1  # type: ignore[misc]",
        "x = 1  # fmt: skip",
        "x = 1  # pragma: no cover",
        "pytest.skip('not now')",
        "pytest.mark.skipif(True, reason='not now')",
        "pytest.mark.xfail(reason='not yet')",
        "pytest.importorskip('numpy')",
    ],
)
def test_mark_without_reason_is_found(line: str) -> None:
    """A mark without a code or a reason and a test that is left out are found, and others are not."""
    assert len(marks_without_reason(line)) == 1
    assert (
        marks_without_reason(
            "x = '# noqa'  # noqa: S101, E501 - as long as it is\ny = 1  # type: ignore[misc] # an int"
        )
        == []
    )


def test_no_run_artifact_is_tracked() -> None:
    """Below out/ only README.md is tracked."""
    below = {path.relative_to(ROOT).as_posix() for path in tracked_files() if path.is_relative_to(ROOT / "out")}
    assert below == {"out/README.md"}


def test_run_artifacts_are_ignored() -> None:
    """Run artifacts below out/ are ignored by git, so that no run is added by accident."""
    assert {"/out/*", "!/out/README.md"} <= set(ignore_rules())
    assert is_ignored(ROOT / "out" / "finish_c" / "c2" / "run" / "events.jsonl")
    assert not is_ignored(ROOT / "out" / "README.md")
    assert not is_ignored(ROOT / "c2lib" / "core" / "canon.py")


def test_local_names_are_not_tracked() -> None:
    """No tracked file names a package registry's host or a path of the machine that built the project."""
    told = [*REGISTRY_HOSTS, *MACHINE_PATHS]
    if len(ROOT.parts) > 3:
        # a shorter one, such as /app, may be a word of its own
        told.append(f"{ROOT}/")
    for path in tracked_files():
        if path.exists():
            text = path.read_bytes().decode("utf-8", "replace")
            found = [word for word in told if word in text]
            assert not found, (path, found)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_module_length_is_bounded(path: Path) -> None:
    """No module of the package has more lines than the limit."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("room", DETERMINISTIC_ROOMS)
def test_deterministic_folders_read_no_clock(room: str) -> None:
    """No module of a deterministic folder reads the wall clock or draws unseeded random numbers, one name apart."""
    for path in sorted((PACKAGE / room).glob("*.py")):
        given = set(imports(path))
        known = {"secrets"} if path == PACKAGE / NAMES_AT_RANDOM else set()
        assert given & WALL_CLOCK_AND_CHANCE == known, path
        assert not {name for name in given if name.startswith("random.") and name != "random.Random"}, path
        for used in attributes(path):
            assert not re.search(r"\b(datetime|date)\.(now|utcnow|today)$", used), (path, used)
            assert not used.startswith("random.") or used.startswith("random.Random"), (path, used)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_module_imports_network_client(path: Path) -> None:
    """No module imports a network client, except socket in the modules of the canary and of the strategy host."""
    heads = {part for name in imports(path) for part in (name, name.split(".")[0])}
    assert heads & NETWORK_CLIENTS == ({"socket"} if name_of(path) in (CANARY, *HOST) else set())


@pytest.mark.parametrize("name", HOST)
def test_host_sockets_have_no_address(name: str) -> None:
    """The strategy host makes pairs of sockets and passes handles; its one other socket is the canary's."""
    text = (PACKAGE / name).read_text(encoding="utf-8")
    used = {name for name in attributes(PACKAGE / name) if name.startswith("socket.")}
    assert used <= {"socket.socketpair", "socket.send_fds", "socket.recv_fds", "socket.socket", "socket.socket().close"}
    made = re.findall(r"socket\.socket\([^)]*\)", text)
    assert made == (["socket.socket(fileno=control_handle)", "socket.socket()"] if name == HOST[0] else [])
    assert text.count("socket.socket().close()") == (name == HOST[0])


LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(sys.modules))
"""


def loaded(*names: str) -> set[str]:
    """Return what is loaded in an interpreter of its own when these modules have been imported."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *names],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def modules_of(*rooms: str) -> list[str]:
    """Return the dotted names of the modules of some folders."""
    names = [name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in modules()]
    return [f"c2lib.{name}" for name in names if name.split(".")[0] in rooms]


NEEDS_MORE = {"c2lib.jupyter.engine"}
"""What speaks to a Jupyter kernel, which is a conversation over sockets."""

BY_EMAIL = {"socket", "_socket"}
"""The standard library reads package metadata as mails, and its mails load both; pydantic asks for such metadata."""


@pytest.mark.parametrize(
    "rooms", [("core", "record", "broker", "session", "witness"), ("app", "cli", "jupyter")], ids=["session", "app"]
)
def test_no_network_client_is_loaded(rooms: tuple[str, ...]) -> None:
    """Importing the modules of c2lib loads no network client, except in those that speak to a Jupyter kernel."""
    names = set(modules_of(*rooms)) - NEEDS_MORE
    assert len(names) > 15
    assert loaded(*names) & NETWORK_CLIENTS <= BY_EMAIL


def test_loaded_network_client_is_noticed() -> None:
    """The check of loaded modules finds a network client that was loaded."""
    assert loaded("c2lib.core.canon", "http.client") & NETWORK_CLIENTS > {"socket", "ssl"}


def test_only_plots_imports_matplotlib() -> None:
    """Only the module evidence/plots.py imports matplotlib."""
    found = [name_of(path) for path in modules() if any(name.split(".")[0] == "matplotlib" for name in imports(path))]
    assert found == ["evidence/plots.py"]


FORBIDDEN = [
    ("the house has one way", "core/decimals.py", "import c2lib.app.runner"),
    ("the house has one way", "broker/orders.py", "import c2lib.market.files"),
    ("the house has one way", "stray/__init__.py", ""),
    ("the witness never imports the actor", "witness/run.py", "import c2lib.record.lines"),
    (
        "disk is touched by the named modules and app up",
        "session/ledger.py",
        "import shutil",
    ),
    ("run directories are written by app alone", "witness/run.py", "import c2lib.record.files"),
    ("matplotlib is imported in evidence.plots alone", "core/decimals.py", "import matplotlib"),
    ("no modules import each other in a circle", "app/paths.py", "import c2lib.app.runner"),
]


def lint_imports(house: Path) -> tuple[int, str]:
    """Return the exit code and the output of import-linter in a copy of the package."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", "pyproject.toml"],
        cwd=house,
        env={"PYTHONPATH": str(house), "NO_COLOR": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package and its settings."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, copy / "c2lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_package_keeps_import_contracts(house: Path) -> None:
    """The package keeps every import contract, and a listed example breaks each contract."""
    code, told = lint_imports(house)
    assert code == 0, told
    assert f"Contracts: {len({name for name, _, _ in FORBIDDEN})} kept, 0 broken." in told


@pytest.mark.parametrize(("contract", "module", "line"), FORBIDDEN)
def test_broken_import_contract_fails(house: Path, contract: str, module: str, line: str) -> None:
    """A forbidden import, or a module outside the known folders, fails the lint with the contract's name."""
    path = house / "c2lib" / module
    before = path.read_text() if path.exists() else None
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{before or ''}\n{line}\n")
        code, told = lint_imports(house)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before)
    assert code == 1, told
    assert f"{contract} BROKEN" in told
