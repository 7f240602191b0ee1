"""The house: rooms, their directions and fronts, lightness."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import attrs
import pytest

import ome_ngff

PACKAGE = Path(ome_ngff.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
# From the ground to the door. A room imports from what stands before it; "faces" are the other modules at the top.
ORDER = ("exceptions", "text", "config", "spec", "pixels", "store", "engine", "show", "image", "read", "write")
ORDER = (*ORDER, "inputs", "faces", "cli")
ROOMS = [name for name in ORDER if (PACKAGE / name).is_dir()]
# What may reach upwards, at the moment when it is called: (module, room).
UPWARDS = {("image/multiscales", "write")}
# Insides of other libraries, each in one file.
INSIDES = {
    r"zarr\.core|zarr\._|\._async_": "store/zarr_private",
    r"dask\.highlevelgraph|dask\.core|dask\._|\.?layers$|original-": "pixels/dask_graph",
    r"\.?(_mmap|__array_interface__)$": "pixels/travel",
}


@attrs.frozen
class Import:
    """One name that one module imports: `level` is that of the statement, `of` the path of the module it is from."""

    module: str
    of: tuple[str, ...]
    name: str

    @property
    def rooms(self) -> tuple[str, str]:
        return room(self.module), room(self.of[0] if self.of else self.name)


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    first = module.partition("/")[0]
    return first if first in ORDER else "faces"


def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[Import]:
    """Yield all that a module imports of the package: at its top, inside functions, and for types alone."""
    parts = module.split("/")
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.level:
            of = (*parts[: len(parts) - node.level], *(node.module.split(".") if node.module else ()))
            yield from (Import(module, of, alias.name) for alias in node.names if alias.name != "__version__")


EVERY = [found for module in modules() if module not in ("__init__", "__main__") for found in imports(module)]


def libraries(node: ast.AST) -> list[str]:
    """Return the modules of others that a statement imports."""
    named = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
    return named + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])


def front(name: str) -> dict[str, str]:
    """Return what a room exports: the module by name; "" for a module that is exported itself."""
    stub = ast.parse((PACKAGE / name / "__init__.pyi").read_text(encoding="utf-8"))
    nodes = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in nodes for alias in node.names}


def test_imports_go_downwards() -> None:
    upwards = {
        (found.module, found.rooms[1]) for found in EVERY if ORDER.index(found.rooms[0]) < ORDER.index(found.rooms[1])
    }
    assert upwards == UPWARDS


def test_no_room_but_the_door_imports_a_face() -> None:
    assert not [found for found in EVERY if found.rooms[1] == "faces" and found.rooms[0] not in ("faces", "cli")]


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = set(modules())
    graph: dict[str, set[str]] = {}
    for found in EVERY:
        path = "/".join(found.of)
        target = next((m for m in (f"{path}/{found.name}", path, f"{path}/__init__") if m in known), None)
        if target is not None and found.rooms[0] == found.rooms[1]:
            graph.setdefault(found.module, set()).add(target)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", [name for name in ROOMS if name != "cli"])
def test_a_room_is_entered_by_its_front(name: str) -> None:
    exported = front(name)
    entering = [found for found in EVERY if found.rooms[1] == name and found.rooms[0] != name]
    assert not [found for found in entering if found.of != (name,)]
    public = {
        alias.name
        for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module == name
        for alias in node.names
    }
    named = {n for n in re.findall(r"\w+", "FAMILIES") if name == "inputs"}
    assert set(exported) == {found.name for found in entering} | public | named
    files = {path.stem for path in (PACKAGE / name).iterdir()}
    assert not [export for export, module in exported.items() if module and export in files]


@pytest.mark.parametrize("name", ROOMS)
def test_a_front_says_what_its_room_is_for(name: str) -> None:
    assert len((ast.get_docstring(tree(f"{name}/__init__")) or "").splitlines()) >= 3 or name == "cli"


def test_the_page_of_the_house_has_every_room_in_order() -> None:
    listed = re.findall(r"^\| `([\w ]+)` \|", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert [name for row in listed for name in row.split() if name in ORDER] == list(reversed(ORDER_OF_PAGE))


ORDER_OF_PAGE = [name for name in ORDER if name != "faces"]


def test_the_top_of_the_package_is_seen_at_a_glance() -> None:
    shown = [p for p in PACKAGE.iterdir() if p.name != "__pycache__" and p.suffix in ("", ".py", ".pyi")]
    assert len(shown) <= 27


@pytest.mark.parametrize(("insides", "home"), INSIDES.items())
def test_insides_of_libraries_are_used_in_one_file(insides: str, home: str) -> None:
    using = set()
    for module in modules():
        whole = tree(module)
        keys = {key for node in ast.walk(whole) if isinstance(node, ast.Dict) for key in node.keys}
        for node in ast.walk(whole):
            if node in keys:  # a word of a document, not an attribute that is asked for by its name
                continue
            named = libraries(node)
            named += [f".{node.attr}"] if isinstance(node, ast.Attribute) else []
            named += [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []
            if any(re.match(insides, name) for name in named):
                using.add(module)
    assert using == {home}


@pytest.mark.parametrize("name", ["spec", "pixels", "show"])
def test_a_room_that_knows_nothing_of_zarr_imports_none(name: str) -> None:
    for module in (module for module in modules() if room(module) == name):
        named = [each for node in ast.walk(tree(module)) for each in libraries(node)]
        assert not [each for each in named if each.partition(".")[0] == "zarr"], module


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("ome_ngff", ["numba", "scipy", "skimage", "dask", "zarr", "tifffile", "distributed", "rich"]),
        ("ome_ngff.writer", ["numba", "scipy", "skimage", "tifffile", "distributed", "pandas"]),
        ("ome_ngff.cli", ["numba", "scipy", "skimage", "dask", "zarr", "numpy"]),
    ],
)
def test_heavy_modules_are_imported_only_where_they_are_used(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    for name in ome_ngff.__all__:
        assert getattr(ome_ngff, name) is not None
    with pytest.raises(AttributeError, match="write_imag"):
        ome_ngff.write_imag  # noqa: B018


def test_test_names_are_at_most_twelve_words() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.rglob("*.py")]
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    names = {node.name for node in functions if node.name.startswith("test_")}
    assert not {name for name in names if len(name.removeprefix("test_").split("_")) > 12}
