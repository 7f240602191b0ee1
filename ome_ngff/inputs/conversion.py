"""From files of others to finished images: what comes along, and how it is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..engine import Plan, Progress
from ..exceptions import ExistsError, InputError, NgffError, OptionError, StoreError
from ..image import NgffImage, lazy_part
from ..read import Field, with_parameters
from ..spec import label_names
from ..store import Layout, Package, Target, children, find_target, named_faults
from ..write import (
    Annotation,
    Request,
    agree,
    carrying,
    execute,
    execute_labels,
    label_request,
    tell_spaces,
    upload,
    upload_together,
    write_collection_metadata,
    write_fields,
)
from .open import are_planes
from .zarr_store import SourceImage, label_boxes

_DOCUMENTS = {"OME", "zarr.json", ".zgroup", ".zattrs", ".zmetadata"}


@attrs.frozen
class Conversion:
    """Report one conversion.

    Attributes:
        input: path of the source. output: place of the image.
        labels: names of the label images that came along.
        left_out: why other labels did not, by their names.
        state: "written"; of many inputs also "resumed", "skipped" (the image was there), "failed" or "not begun";
            "planned" where nothing is to be written.
        error: why it failed. seconds: how long it took. outline: what would be written.
    """

    input: str
    output: str
    labels: tuple[str, ...] = ()
    left_out: Mapping[str, str] = attrs.field(factory=dict)
    state: str = "written"
    error: str = ""
    seconds: float = attrs.field(default=0.0, eq=False)
    outline: Mapping[str, Any] | None = attrs.field(default=None, eq=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return what became of the input, as JSON has it."""
        left_out = {"left_out": dict(self.left_out), "labels": list(self.labels)}
        return {field: getattr(self, field) for field in ("input", "output", "state", "error", "seconds")} | left_out


@attrs.frozen(eq=False)
class DraftedImage:
    """Hold one conversion, wholly parsed; nothing has been touched.

    Attributes:
        input, output: as in `Conversion`. image: the source with what options say of it. request: its write.
        source: the OME-Zarr image that the pixels come from, with labels that come along; None for any other source.
        box: the part of the source that the image is; None for all of it. shape: of the source.
        storage: chunks, shards and compression, as they were given. fields: of transformations that come along.
    """

    input: str
    output: Any
    image: NgffImage
    request: Request
    source: SourceImage | None
    storage: Mapping[str, Any]
    box: Mapping[str, tuple[int, int]] | None = None
    shape: Mapping[str, int] = attrs.field(factory=dict)
    fields: Mapping[str, Field] = attrs.field(factory=dict)

    @property
    def parts(self) -> list[DraftedImage]:
        """The conversion of each image: this one."""
        return [self]

    @property
    def package(self) -> Package | None:
        """The single file that the output becomes; None where it is a group."""
        return self.request.target.package

    def refuse_unlike(self, target: Target) -> None:
        """Raise `StoreError` where a finished image is not the one that would be written."""
        agree(attrs.evolve(self.request, target=target))

    @property
    def understood(self) -> str:
        """In words, what a folder or a pattern was taken for; empty for any other input."""
        sizes = ", ".join(f"{name} {size}" for name, size in zip(self.image.dims, self.image.data.shape, strict=True))
        return f"{self.input}: one image out of many planes, {sizes}" if are_planes(self.input) else ""

    def plan(self, *, resume: bool = False) -> Plan:
        """Return how the work would be cut, or is cut already where a write is resumed."""
        return self.request.plan((self.request.target.mark or {}).get("cut") if resume else None)

    def outline(self) -> dict[str, Any]:
        """Return what would be written: axes, sizes, channels, levels with their chunks."""
        places = {"input": self.input, "output": str(self.output)}
        return {**places, **self.request.outline(), "channels": list(self.image.channel_names or ())}

    def planned(self) -> Conversion:
        """Return what the conversion would be."""
        return Conversion(self.input, str(self.output), state="planned", outline=self.outline())

    def run(
        self, *, overwrite: bool = False, resume: bool = False, join: bool = False, progress: Progress = None
    ) -> Conversion:
        """Write the image, and the labels that can come along."""
        words: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "join": join, "progress": progress}
        written: list[str] = []
        left_out: dict[str, str] = {}

        def write_below(target: Target) -> None:
            write_fields(target, self.fields, overwrite=overwrite, resume=resume, join=join)
            for name in self.source.labels() if self.source is not None else ():
                try:
                    self._copy_label(target, name, words)
                    written.append(name)
                except NgffError as error:
                    left_out[name] = str(error)

        execute(self.request, **words, below=write_below)
        return Conversion(self.input, str(self.output), tuple(written), left_out)

    def _copy_label(self, target: Target, name: str, words: Mapping[str, Any]) -> None:
        assert self.source is not None
        labels, said = self.source.label(name)
        stored, labels = SourceImage.of(labels), self._same_part(labels, name)
        shards = label_boxes(self.storage["shards"], self.image, labels) or None
        layout = Layout.parse(None, shards, self.storage["compression"])
        place = f"labels/{name}"
        linked = any(place in (edge.input.path, edge.output.path) for edge in self.request.metadata.edges)
        # Labels lie as their image does, unless it says how they lie to it.
        own: dict[str, Any] = {
            "scale": labels.scale,
            "translation": labels.translation,
            "axes_units": labels.axes_units,
        }
        request = label_request(
            labels.data, target, name, axes=labels.dims, layout=layout, resume=words["resume"] or words["join"],
            **own if linked else {},
        )  # fmt: skip
        fields: Mapping[str, Field] = {}
        if stored is not None:
            request, fields = carrying(with_spaces(request, stored, labels=False))
        execute_labels(request, name, Annotation(label_metadata=said), **words)
        steps = {word: words[word] for word in ("overwrite", "resume", "join")}
        write_fields(request.target, fields, **steps)

    def _same_part(self, labels: NgffImage, name: str) -> NgffImage:
        """Return the part of labels that lies on the part of their image.

        Raises:
            InputError: their pixels are not those of the image.
        """
        if self.box is None:
            return labels
        sizes = dict(zip(labels.dims, labels.data.shape, strict=True))
        if not all(size in (1, self.shape.get(axis)) for axis, size in sizes.items()):
            raise InputError(f"the labels {name!r} have other pixels than the image, so a part of them is not known")
        box = tuple((0, 1) if size == 1 else self.box[axis] for axis, size in sizes.items())
        found: NgffImage = lazy_part(labels, box)
        return found


def with_spaces(request: Request, stored: SourceImage, *, labels: bool) -> Request:
    """Let the coordinate systems of a stored image come along, and the transformations from one to another.

    Args:
        request: the write. stored: the image. labels: whether its label images come along, which some may lead to.
    """
    said = stored.metadata
    if not request.target.fmt.dialect.spaces:
        tell_spaces(said, f"OME-Zarr {request.target.fmt.version} cannot hold them; pass fmt='0.6'")
    elif [axis.name for axis in said.axes] != list(request.names):
        tell_spaces(said, "the image has other axes now")
    else:
        kept = [edge for edge in said.edges if labels or not (edge.input.path or edge.output.path)]
        edges = [with_parameters(edge, stored.target) for edge in kept]
        spaced = attrs.evolve(request.metadata, intrinsic=said.intrinsic, others=said.others, edges=edges)
        request = attrs.evolve(request, metadata=spaced)
    return request


@attrs.frozen(eq=False)
class Collection:
    """Hold the conversions of all images of one input, wholly parsed; nothing has been touched.

    Attributes:
        input, output: as in `Conversion`. target: the group of the collection.
        drafts: one per image, each of which becomes the group of its number. ome_xml: that of the file, about all.
    """

    input: str
    output: Any
    target: Target
    drafts: list[DraftedImage]
    ome_xml: bytes = b""

    @property
    def parts(self) -> list[DraftedImage]:
        """The conversion of each image."""
        return list(self.drafts)

    @property
    def package(self) -> Package | None:
        """The single file that the output becomes; None where it is a group."""
        return self.target.package

    def refuse_unlike(self, target: Target) -> None:
        """Raise `StoreError` where a finished collection is not the one that would be written."""
        if len(children(target, "") - _DOCUMENTS) != len(self.drafts):
            raise StoreError(f"{target} does not hold {len(self.drafts)} images; pass overwrite=True to replace it.")
        for number, draft in enumerate(self.drafts):
            draft.refuse_unlike(target.child(str(number)))

    def planned(self) -> Conversion:
        """Return what the conversion would be, with the outline of the first image."""
        if not self.drafts:
            raise InputError(f"{self.input} holds no image.")
        outline = {**self.drafts[0].outline(), "images": len(self.drafts)}
        return Conversion(self.input, str(self.output), state="planned", outline=outline)

    def run(
        self, *, overwrite: bool = False, resume: bool = False, join: bool = False, progress: Progress = None
    ) -> Conversion:
        """Write the images, and at last what says that they belong together."""
        words: dict[str, Any] = {"resume": resume, "join": join, "progress": progress}
        if self.package is not None:
            self.package.refuse_words(resume=resume or join)
            self.package.refuse(overwrite=overwrite, zarr_format=self.target.fmt.zarr_format)
            with named_faults(self.target, "write it again"), self.package.staged() as folder:
                return attrs.evolve(self, target=find_target(folder, self.target.fmt))._run(overwrite=False, **words)
        self._refuse(overwrite=overwrite, resume=resume or join)
        return self._run(overwrite=overwrite, **words)

    def _run(self, **words: Any) -> Conversion:
        labels: list[str] = []
        left_out: dict[str, str] = {}
        numbers = [str(number) for number in range(len(self.drafts))]
        for number in numbers:
            draft = self.drafts.pop(0)  # which closes what was read
            if draft.request.target.store is not self.target.store:  # in a folder that will be a ZIP
                draft = attrs.evolve(draft, request=attrs.evolve(draft.request, target=self.target.child(number)))
            done = draft.run(**words)
            labels += [f"{number}/{name}" for name in done.labels]
            left_out |= {f"{number}/{name}": why for name, why in done.left_out.items()}
        write_collection_metadata(self.target, numbers, self.ome_xml)
        return Conversion(self.input, str(self.output), tuple(labels), left_out)

    def _refuse(self, *, overwrite: bool, resume: bool) -> None:
        """Raise where a collection stands already, or something else among its images.

        Raises:
            ExistsError: what stands there is not what would be written, or may not be replaced.
        """
        there = self.target.document
        if "bioformats2raw.layout" in there and not (overwrite or resume):
            raise ExistsError(
                f"{self.target} already holds a collection; pass overwrite=True to replace it or resume=True to finish "
                "it."
            )
        others = children(self.target, "") - _DOCUMENTS - {str(number) for number in range(len(self.drafts))}
        if self.target.attributes is not None and others:
            raise StoreError(
                f"{self.target} has {', '.join(sorted(others)[:5])}, not of these images; write to another place."
            )


@attrs.frozen(eq=False)
class Copy:
    """Hold the upload of a finished hierarchy.

    Attributes:
        input, output: as in `Conversion`. source: the hierarchy.
    """

    input: str
    output: Any
    source: Target
    parts: tuple[DraftedImage, ...] = ()

    def planned(self) -> Conversion:
        """Return what the upload would be."""
        return Conversion(self.input, str(self.output), state="planned", outline={"copies": str(self.source)})

    def run(
        self, *, overwrite: bool = False, resume: bool = False, join: bool = False, progress: Progress = None
    ) -> Conversion:
        """Copy all that is there, alone or, with `join`, together with other processes."""
        if join and overwrite:
            raise OptionError(
                "join=True cannot be combined with overwrite=True, with which each would begin anew; leave one of them "
                "out."
            )
        if join:
            upload_together(self.source, self.output, progress=progress)
        else:
            upload(self.source, self.output, overwrite=overwrite, resume=resume, progress=progress)
        return Conversion(self.input, str(self.output), tuple(label_names(self.source.child("labels").document)))
