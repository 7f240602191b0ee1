"""Which images are meant by what a batch is given: files, folders, patterns of planes, tables."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

import attrs

from ..exceptions import MissingError, NgffError, OptionError
from ..text import refuse_unknown
from . import verification
from .conversion import Collection, DraftedImage
from .drafting import drafted
from .families import FAMILIES, Family, folder_family
from .spelling import parse_axes, parse_factors, parse_lengths, parse_region, parse_sizes, parse_units
from .tiff_files import parts_of

SUFFIX = ".ome.zarr"
WORDS: dict[str, Callable[[str], Any]] = {
    "series": str, "axes": parse_axes, "scale": parse_sizes, "translation": parse_sizes, "axes_units": parse_units,
    "name": str, "scale_factors": parse_factors, "method": str, "fmt": str, "chunks": parse_lengths,
    "shards": parse_lengths, "compression": str, "region": parse_region,
}  # fmt: skip
_ALSO = {"unit": "axes_units", "format": "fmt"}  # as the command line calls them


@attrs.frozen
class Item:
    """Name one image of a batch: input, output, and arguments of `convert` for it alone."""

    input: str
    output: str
    words: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    _folder: str = attrs.field(init=False, repr=False, factory=os.getcwd)

    def from_here(self, path: str) -> str:
        """Return a path as it leads there from the folder that the process is in by now."""
        stays = "://" in path or os.getcwd() == self._folder
        return path if stays else os.path.join(self._folder, path)

    def draft(self, *, overwrite: bool, **words: Any) -> DraftedImage | Collection:
        """Parse the conversion; the arguments are those of `drafted`. It is the run that overwrites what is there."""
        return drafted(self.from_here(self.input), self.from_here(self.output), **words)

    def verify(self, words: Mapping[str, Any]) -> None:
        """Compare the image with its input."""
        source, output = self.from_here(self.input), self.from_here(self.output)
        verification.verify(source, output, series=words.get("series"), axes=words.get("axes"))

    @property
    def place(self) -> str:
        """The output, as it can be compared with others."""
        return self.output.rstrip("/") if "://" in self.output else os.path.normcase(os.path.abspath(self.output))

    @property
    def size(self) -> int:
        """Bytes of the input, as far as that is known without opening it."""
        where = self.input if os.path.exists(self.input) else self.input.partition("::")[0]
        return os.path.getsize(where) if os.path.isfile(where) else 0


def expanded(given: str, into: str) -> tuple[list[Item], str]:
    """Return the images that are meant by one input, and in words what it was taken for where that is not plain.

    Raises:
        MissingError: a folder has no images. OptionError: a table is not understood.
    """
    if "://" in given:
        return [Item(given, _join(into, _stem(given) + SUFFIX))], ""
    if given.lower().endswith(".csv") and os.path.isfile(given):
        rows = list(_rows(given, into))
        return rows, f"{given}: a table of {len(rows)} inputs"
    if os.path.isdir(given) and folder_family(given) is None:
        return _images_in(given, into)
    pattern = not os.path.exists(given) and (has_magic(given) or "{" in given)
    said = f"{given}: one image out of many planes" if pattern else ""
    return [Item(given, _join(into, _stem(given) + SUFFIX))], said


def _join(into: str, name: str) -> str:
    return f"{into.rstrip('/')}/{name}" if "://" in into else str(Path(into) / name)


def _stem(path: str) -> str:
    """Return the name of an image: that of its file without the ending, or both endings of "a.ome.tif", "a.nii.gz"."""
    where, _, inner = (path, "", "") if os.path.exists(path) else path.partition("::")
    name = Path(where.rstrip("/")).name
    plain = re.split(r"[*?\[{]", name)[0] if not os.path.exists(where) else name
    if plain != name:
        return plain.rstrip("_- .") or Path(os.path.abspath(where)).parent.name
    folder = os.path.isdir(where)  # whose name may be "1.2.840", with no ending but those of Zarr
    ending = r"(\.ome)?(\.zarr|\.zr|\.n5)?" if folder else r"((\.ome|\.nii|\.zarr|\.companion)?\.[^.]+)?"
    name = re.sub(f"(?<=.){ending}$", "", name, flags=re.IGNORECASE)
    return "-".join([name, *filter(None, inner.split("/"))])


# Folders -------------------------------------------------------------------------------------------------------------


def _images_in(folder: str, into: str) -> tuple[list[Item], str]:
    """Find the images in a folder and those below it, each to a place of the same name below the other folder."""
    found: list[str] = []
    others: Counter[str] = Counter()
    for here, folders, files in os.walk(folder):
        inside = [os.path.join(here, name) for name in sorted(folders) if not name.startswith(".")]
        inside = [path for path in inside if os.path.abspath(path) != os.path.abspath(into)]
        stored = [path for path in inside if folder_family(path) is not None]
        folders[:] = [os.path.basename(path) for path in inside if path not in stored]
        images, rest = _images_of([os.path.join(here, name) for name in sorted(files) if not name.startswith(".")])
        others.update(Path(path).suffix.lower() or "no ending" for path in rest)
        found += [*images, *stored]
    if not found:
        raise MissingError(f"{folder} is a folder without images.")
    items = []
    for path in found:
        below = os.path.relpath(os.path.dirname(path), folder)
        place = _join(into, below.replace(os.sep, "/")) if below != "." else into
        items.append(Item(path, _join(place, _stem(path) + SUFFIX)))
    said = [f"{folder}: {len(found)} image{'s' * (len(found) != 1)} of their own"]
    alike = Counter(re.sub(r"\d+", "#", path) for path in found)
    usual, count = alike.most_common(1)[0]
    if count > 2 and "#" in usual:
        first = next(path for path in found if re.sub(r"\d+", "#", path) == usual)
        pattern = re.sub(r"\d+(?=\D*$)", "*", first)
        said.append(f"planes of one image would be '{pattern}', in quotes")
    if others:
        said.append(
            f"{(count := sum(others.values()))} other file{'s' * (count != 1)} left out ({', '.join(sorted(others))})"
        )
    return items, "; ".join(said)


def _images_of(files: list[str]) -> tuple[list[str], list[str]]:
    """Tell the images of a folder, one file of each, from its other files."""
    families = {file: family for file in files if (family := _by_name(file)) is not None}
    parts: set[str] = set()
    seen: dict[tuple[str, str], str] = {}
    for file, family in sorted(families.items(), key=lambda each: not each[0].lower().endswith(".companion.ome")):
        if file not in parts and family.module == "tiff":
            parts |= {os.path.join(os.path.dirname(file), name) for name in parts_of(file)} - {file}
    for file, family in families.items():  # a header and its pixels, such as .hdr and .img
        key = (family.name, _stem(file).lower())
        rank = [file.lower().endswith(suffix) for suffix in family.suffixes]
        twin = seen.get(key)
        if family.module != "tiff" and twin is not None and Path(twin).suffix.lower() != Path(file).suffix.lower():
            before = [twin.lower().endswith(suffix) for suffix in family.suffixes]
            parts.add(file if before > rank else twin)
        seen[key] = twin if twin is not None and file in parts else file
    return [file for file in families if file not in parts], [file for file in files if file not in families]


def _by_name(file: str) -> Family | None:
    return next((family for family in FAMILIES if family.suffixes and family.matches(file)), None)


# Tables --------------------------------------------------------------------------------------------------------------


def _rows(table: str, into: str) -> Iterator[Item]:
    """Read a table of inputs: a CSV with the column input, and output or any argument of `convert` where wanted.

    Paths are relative to the folder of the table, outputs to the folder that all go into.

    Raises:
        OptionError: a column or a value is not understood; nothing has been written.
    """
    folder = os.path.dirname(table)
    for line, cells in table_rows(table, ("input", "output", *WORDS)):
        if not cells.get("input"):
            raise OptionError(f"Line {line} of {table} has no input.")
        source = cells["input"]
        source = source if "://" in source else os.path.join(folder, source)
        output = cells.get("output") or _stem(source) + SUFFIX
        if ".." in Path(output).parts:
            raise OptionError(
                f"Line {line} of {table}: the output {output!r} leads out of {into}; write its whole path if that is "
                "meant."
            )
        try:
            words = words_of(cells)
        except (NgffError, ValueError) as error:
            raise OptionError(f"Line {line} of {table}: {error}") from None
        yield Item(source, output if "://" in output else _join(into, output), words)


def table_rows(
    table: str, known: Sequence[str], also: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV, with commas, semicolons or tabs, whose first line names the columns.

    Args:
        known: names that columns can have, of which "input" has to be there. also: other names of theirs.

    Returns:
        The number of each line that is not empty, and its cells by the name of their column.

    Raises:
        OptionError: a column is not known or comes twice, a line has more cells than columns, or it is no text.
    """
    try:
        yield from _table_rows(table, known, {**_ALSO, **(also or {})})
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"{table} is not a table of text in UTF-8 ({error}); save it as CSV UTF-8.") from None


def _table_rows(table: str, known: Sequence[str], others: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    with open(table, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(",;\t", key=first.count))
        names = {name: _column(name, others) for name in reader.fieldnames or () if name and name.strip()}
        refuse_unknown([n for n in names.values() if n not in known], (*known, *others), table)
        counts = Counter(_column(name, others) for name in reader.fieldnames or () if name and name.strip())
        if twice := [name for name, count in counts.items() if count > 1]:
            raise OptionError(f"{table} has more than one column {twice[0]!r}; leave all but one out.")
        if "input" not in names.values():
            raise OptionError(f"{table} has no column 'input' (it has {', '.join(names) or 'none'}).")
        for row in reader:
            cells = {names[name]: (row[name] or "").strip() for name in names}
            if any(cells.values()):
                if None in row:
                    raise OptionError(f"Line {reader.line_num} of {table} has more cells than columns.")
                yield reader.line_num, cells


def words_of(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `convert` in a line of a table."""
    return {name: parse(cells[name]) for name, parse in WORDS.items() if cells.get(name)}


def _column(name: str, also: Mapping[str, str]) -> str:
    word = name.strip().lower().replace("-", "_").replace(" ", "_")
    return also.get(word, word)
