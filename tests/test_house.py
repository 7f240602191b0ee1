"""The house: layers, lightness, size."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ome_ngff

PACKAGE = Path(ome_ngff.__file__).parent
HOUSE = Path(__file__).parents[1] / "docs" / "architecture.md"
FLOOR = {
    room: int(floor)
    for floor, room in re.findall(r"^\| (\d) \| `(\w+)` \|", HOUSE.read_text("utf-8"), flags=re.MULTILINE)
}


def rooms() -> dict[str, list[Path]]:
    """Give the source files of each module or package below `ome_ngff`."""
    found: dict[str, list[Path]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            found.setdefault(room, []).append(path)
    return found


def imports(path: Path) -> set[str]:
    """Give the rooms that a file imports, at the top or inside functions, but not for types alone."""
    depth = len(path.relative_to(PACKAGE).parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    skipped = {id(child) for node in typing for child in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found - {"__version__"}


def test_the_table_of_the_house_has_every_room_and_no_other() -> None:
    assert set(rooms()) == set(FLOOR)


@pytest.mark.parametrize("room", sorted(rooms()))
def test_imports_go_downwards(room: str) -> None:
    used = {name for path in rooms()[room] for name in imports(path)} - {room}
    upwards = {name for name in used if FLOOR[name] > FLOOR[room]}
    assert not upwards


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
