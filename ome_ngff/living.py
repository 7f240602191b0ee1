"""What happens to a stored image later: pixels that are mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .pixels import Method, Methods
from .store import opened
from .write import update

if TYPE_CHECKING:
    from .engine import Progress

__all__ = ["update_image", "update_labels"]


def update_image(
    pixels: Any,
    group: Any,
    start: Mapping[str, int] | Sequence[int] | None = None,
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Replace the pixels of a box of a stored image; every level follows.

    The image is in the end, byte for byte, what writing all of it anew would have made. Only chunks, or shards, that
    hold a pixel which changes are written. The new ones are made below `.ome_ngff/`, and the image stays as it is until
    all of them are there; then they are put into place, while readers of ours say that it is being changed. The old
    ones are kept until the next change: `undo` brings them back.

    Args:
        pixels: of any source that `write_image` takes, of the dtype of the image, or of one that this holds exactly.
            Where its dimensions have no names, they are the last axes of the image.
        group: the image, as in `write_image`.
        start: the first pixel that is replaced: `{"y": 512, "x": 0}`, or one number per axis of the pixels or of the
            image; 0 where nothing is said.
        method: how the levels were made. The images that this package has written say so; of others it has to be said,
            and is compared with the levels around the box.
        check: compare in any case, before anything is changed.
        resume: finish an update that was interrupted, given the same pixels and start.
        progress, store_options: as in `write_image`.

    Raises:
        MethodError: it is not known how the levels were made. StoreError: they are not made by the method.
        IncompleteError: a write or a change was interrupted, and is to be finished first.
        NgffError: another of its children; the image is as it was.
    """
    group = opened(group, store_options)
    update(pixels, group, None, start, method, check=check, resume=resume, progress=progress)


def update_labels(
    labels: Any,
    group: Any,
    name: str = "labels",
    start: Mapping[str, int] | Sequence[int] | None = None,
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Replace the labels of a box of a stored label image; every level follows, as in `update_image`.

    Colours and properties stay. `undo(group)` takes it back, where `group` is that of the image.

    Args:
        labels: integers, or bool; of any type that can hold them, if that of the label image can, too.
        group: the image whose labels they are, as in `write_labels`. name: of the label image.
        start, method, check, resume, progress, store_options: as in `update_image`.

    Raises:
        LabelError: the type of the stored labels cannot hold a value, the labels are floats, or the method invents.
        NgffError: as in `update_image`.
    """
    group = opened(group, store_options)
    update(labels, group, name, start, method, check=check, resume=resume, progress=progress)
