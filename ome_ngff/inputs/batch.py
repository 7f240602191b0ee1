"""Many inputs, each an image of its own: what is meant, what is refused first, what goes on after a failure."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..engine import Progress, check_progress, counter
from ..exceptions import BatchError, ExistsError, MissingError, NgffError, OptionError
from ..store import find_target, locate, open_node, readable
from ..text import listed, warn
from . import verification
from .conversion import Conversion
from .drafting import copied, drafted
from .expansion import Item, expanded

_TICK = 2**20  # bytes of input that the bar counts as one


@attrs.frozen
class Batch:
    """Hold inputs and the places of their images; nothing has been opened.

    Attributes:
        items: one for each image. understood: in words, what folders and patterns were taken for.
        scattered: whether processes that join each begin with others: many small images, each made by one.
    """

    items: tuple[Item, ...]
    understood: tuple[str, ...] = ()
    scattered: bool = False

    @classmethod
    def of(cls, inputs: Sequence[str | os.PathLike[str]], into: str | os.PathLike[str]) -> Batch:
        """Find out what is meant, and refuse what can be known to go wrong before the first image is written.

        Raises:
            ExistsError: two inputs would become one image, or the folder is a Zarr or a file.
            MissingError: there is nothing to convert. OptionError: a table of inputs is not understood.
        """
        folder = os.fspath(into)
        _refuse_folder(folder)
        found = [expanded(os.fspath(each), folder) for each in inputs]
        items = list(dict.fromkeys(item for part, _ in found for item in part))
        if not items:
            raise MissingError(f"There is nothing to convert ({listed([os.fspath(i) for i in inputs]) or 'no input'}).")
        places: dict[str, Item] = {}
        for item in items:
            twin = places.setdefault(item.place, item)
            if twin is not item:
                raise ExistsError(
                    f"{twin.input} and {item.input} would both become {item.output}; convert them into different "
                    "folders, or give each its output in a table."
                )
        for item in items:
            above = next((places[p] for p in map(str, Path(item.place).parents) if p in places), None)
            if above is not None:
                raise ExistsError(f"{item.input} would become {item.output}, inside of {above.output}.")
        return cls(tuple(items), tuple(words for _, words in found if words))

    def run(
        self,
        *,
        overwrite: bool = False,
        join: bool = False,
        progress: Progress = None,
        report: str | os.PathLike[str] | None = None,
        told: Callable[[Conversion], object] | None = None,
        dry_run: bool = False,
        verify: bool = False,
        **given: Any,
    ) -> list[Conversion]:
        """Convert all, one after the other.

        Images that are there are skipped where the same settings would give them, and finished where a write was
        interrupted.

        Args:
            overwrite: replace what is there. join: see `write_image`. progress: counts megabytes of inputs.
            given: arguments of `drafted`.
            report: a file for what became of each, .csv or .json. told: called with each conversion that has ended.
            dry_run: say what would be written, and write nothing. verify: compare each with its input afterwards.

        Raises:
            BatchError: some have failed, once the others are done.
        """
        check_progress(progress)
        save = None if report is None else _report_to(Path(report))
        done: list[Conversion] = []
        items = random.Random().sample(self.items, len(self.items)) if join and self.scattered else self.items
        sizes = [item.size for item in items]
        ticks = [max(1, math.ceil(size / _TICK)) for size in sizes]
        try:
            with counter(progress, 0, sum(ticks), sum(sizes), "converting") as advance:
                for item, weight in zip(items, ticks, strict=True):
                    share = _Share(advance, weight)
                    how = {"overwrite": overwrite, "join": join, "dry_run": dry_run, "verify": verify}
                    done.append(_converted(item, share, given, **how))
                    if told is not None:
                        told(done[-1])
        finally:
            if save is not None:
                save([*done, *(Conversion(i.input, i.output, state="not begun") for i in items[len(done) :])])
        failed = [each for each in done if each.state == "failed"]
        if failed:
            first = f"{failed[0].input}: {failed[0].error}"
            raise BatchError(f"{len(failed)} of {len(done)} inputs could not be converted; the first is {first}", done)
        return done


@attrs.define
class _Share:
    """Turn the units of one write into its share of the ticks of all."""

    advance: Callable[[], None]
    weight: int
    ticked: int = 0

    def __call__(self, done: int, total: int) -> None:
        self.reach(self.weight * done // max(total, 1))

    def reach(self, ticks: int) -> None:
        while self.ticked < ticks:
            self.advance()
            self.ticked += 1


def _converted(
    item: Item, share: _Share, given: Mapping[str, Any], *, overwrite: bool, dry_run: bool, verify: bool, join: bool
) -> Conversion:
    """Convert one input; what goes wrong becomes what the conversion says."""
    begun = time.monotonic()
    try:
        words = {**given, **item.words}
        draft = item.draft(overwrite=overwrite, resume=join, verify=verify, **words)
        parts = [part.request.target for part in draft.parts]
        there = [target for target in parts if target.is_image or target.mark is not None]
        for target in there if not overwrite else ():
            if "source" not in target.said and target.mark is None:
                raise ExistsError(
                    f"{target} holds an image that does not say which file it was made from; pass overwrite=True to "
                    "replace it."
                )
        whole = len(there) == len(parts) and all(target.mark is None for target in there)
        state = "written" if overwrite or not there else "skipped" if whole else "resumed"
        if dry_run:
            return attrs.evolve(draft.planned(), input=item.input, output=item.output)
        if draft.package is not None and draft.package.there and not overwrite:
            draft.refuse_unlike(find_target(readable(draft.package.file)))
            found = Conversion(item.input, item.output, state="skipped")
        else:
            found = draft.run(overwrite=overwrite, resume=bool(there) and not overwrite, join=join, progress=share)
            found = attrs.evolve(found, state=state)
        if verify:
            item.verify(words)
    except Exception as error:  # of any library; the others go on
        kind = "" if isinstance(error, NgffError) else f"{type(error).__name__}: "
        found = Conversion(item.input, item.output, state="failed", error=kind + " ".join(str(error).split()))
    share.reach(share.weight)
    return attrs.evolve(found, input=item.input, output=item.output, seconds=round(time.monotonic() - begun, 3))


def _refuse_folder(folder: str) -> None:
    """Raise where images of their own cannot be put into a folder."""
    if "://" not in folder and os.path.isfile(folder):
        raise ExistsError(f"{folder} is a file; several images go into a folder.")
    if open_node(*locate(folder)) is not None:
        raise ExistsError(f"{folder} is a Zarr itself; several images go into a folder that is none.")


def converted(
    source: Any,
    output: Any,
    *,
    overwrite: bool,
    resume: bool,
    join: bool,
    progress: Progress,
    report: Any = None,
    dry_run: bool = False,
    verify: bool = False,
    **given: Any,
) -> list[Conversion]:
    """Convert one source, or several into a folder; what goes wrong with one is raised, with several at the end."""
    one = isinstance(source, (str, os.PathLike))
    if not one and not (isinstance(source, Sequence) and all(isinstance(s, (str, os.PathLike)) for s in source)):
        raise OptionError(f"A source is a path, or a list of paths (got {type(source).__name__}).")
    if one and not os.fspath(source).lower().endswith(".csv"):
        if report is not None:
            raise OptionError("A report is of several sources; pass a list of them, and a folder for their images.")
        copy = copied(source, output, given)
        draft = copy or drafted(source, output, resume=resume or join, verify=verify, **given)
        how = {"overwrite": overwrite, "resume": resume, "join": join}
        begun = time.monotonic()
        found = draft.planned() if dry_run else draft.run(**how, progress=progress)
        if verify and not dry_run and copy is None:  # which has verified what it has sent
            said = {"series": given.get("series"), "axes": given.get("axes")}
            verification.verify(source, output, progress=progress, **said)
        done = [attrs.evolve(found, seconds=round(time.monotonic() - begun, 3))]
    else:
        batch = Batch.of([source] if one else source, output)
        done = batch.run(
            overwrite=overwrite, join=join, progress=progress, report=report, dry_run=dry_run, verify=verify, **given
        )
    for name, why in (item for conversion in done for item in conversion.left_out.items()):
        warn(f"The labels {name!r} were left out: {why}")
    return done


# The report ----------------------------------------------------------------------------------------------------------


def _report_to(path: Path) -> Callable[[Sequence[Conversion]], None]:
    """Return what saves a report.

    Raises:
        OptionError: it is neither .csv nor .json. MissingError: there is no such folder.
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise OptionError(f"A report ends in .csv or .json (got {path}).")
    if not path.parent.is_dir():
        raise MissingError(f"There is no folder {path.parent} for the report.")

    def save(done: Sequence[Conversion]) -> None:
        rows = [each.to_dict() for each in done]
        new = path.with_name(f"{path.name}.partial")
        with open(new, "w", encoding="utf-8", newline="") as file:
            if path.suffix.lower() == ".json":
                json.dump(rows, file, indent=2)
            else:
                table = csv.DictWriter(file, Conversion("", "").to_dict())
                table.writeheader()
                for row in rows:
                    said = (f"{name}: {why}" for name, why in row["left_out"].items())
                    table.writerow({**row, "labels": " ".join(row["labels"]), "left_out": "; ".join(said)})
        new.replace(path)

    return save
