"""The text of a strategy, read without running it: what it defines and imports, and whether a secret stands in it."""

from __future__ import annotations

import ast
import inspect
import symtable
import sys
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import decode_source

from c2lib.core.redaction import find_secret


def imported_modules(tree: ast.Module) -> dict[str, int]:
    """Return the top-level modules that a file imports anywhere in it, with the line of the first import of each.

    The standard library and c2lib itself are left out, which Python's version and the behaviour version stand for; a
    relative import is named ``"."``. What is imported by a name made at run time is not seen.
    """
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for name in ["."] if isinstance(node, ast.ImportFrom) and node.level else names:
            name = name.partition(".")[0] or name
            if name not in sys.stdlib_module_names and name != "c2lib":
                found[name] = min(node.lineno, found.get(name, node.lineno))
    return found


def top_level_names(source: bytes, shown: str) -> set[str]:
    """Return the names that a file binds at its top level, by whatever statement; ``shown`` names it in errors."""
    symbols = symtable.symtable(decode_source(source), shown, "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def source_in_cell(kind: type) -> str | None:
    """Return the text of a class of a notebook's cell, which Python finds for its methods but not for the class."""
    for function in filter(inspect.isfunction, vars(kind).values()):
        with suppress(OSError, TypeError, SyntaxError):
            lines, _ = inspect.findsource(function.__code__)
            for node in ast.walk(ast.parse("".join(lines))):
                if isinstance(node, ast.ClassDef) and node.name == kind.__name__ and node.end_lineno:
                    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                    if first <= function.__code__.co_firstlineno <= node.end_lineno:
                        return "".join(lines[first - 1 : node.end_lineno])
    return None


def line_of_secret(source: bytes, tree: ast.Module) -> int | None:
    """Return the first line at which a secret begins, in a literal, in what a literal is given to, or in a comment.

    A name that is given no literal, as in ``password = read()``, is none.
    """
    lines = [line for line, text in _texts(source, tree) if find_secret(text)]
    return min(lines, default=None)


def _texts(source: bytes, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for token in tokenize.tokenize(iter(source.splitlines(keepends=True)).__next__):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.lineno, _text(node.value)
        for name, value in _given(node):
            if isinstance(value, ast.Constant) and value.value is not None:
                yield value.lineno, f"{name} = {_text(value.value)!r}"


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield each name that ``node`` gives a value to: a variable, an attribute, a key, an argument, a default."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from ((_name(target), node.value) for target in targets)
    elif isinstance(node, ast.keyword):
        yield node.arg or "", node.value
    elif isinstance(node, ast.Dict):
        yield from ((_name(key), value) for key, value in zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.arguments):
        # the last ones of those that have a place have a default
        placed = zip(reversed([*node.posonlyargs, *node.args]), reversed(node.defaults), strict=False)
        yield from ((arg.arg, value) for arg, value in (*placed, *zip(node.kwonlyargs, node.kw_defaults, strict=True)))


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Subscript):
        return _name(node.slice)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
