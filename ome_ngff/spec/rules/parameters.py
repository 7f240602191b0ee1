"""What each type of transformation takes, from 0.6 on, and how many axes it takes and gives.

`inputs` and `outputs` count axes, N and M in the specification; None is a number that a document does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .book import is_integer, is_list, is_number, is_objects

Document = Mapping[str, Any]
DEEPEST = 32  # wrappers inside of wrappers that are looked at


def _is_numbers(value: Any) -> bool:
    return is_list(value) and len(value) > 0 and all(map(is_number, value))


def _is_matrix(value: Any) -> bool:
    return is_list(value) and len(value) > 0 and all(map(_is_numbers, value)) and len({len(row) for row in value}) == 1


def _is_indices(value: Any) -> bool:
    return is_list(value) and len(value) > 0 and all(is_integer(index, 0) for index in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_items(value: Any) -> bool:
    return is_objects(value) and all(
        isinstance(item.get("transformation"), Mapping)
        and all(_is_indices(item.get(key)) for key in ("inputAxes", "outputAxes"))
        for item in value
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


_NUMBERS, _MATRIX = (_is_numbers, "a list of numbers"), (_is_matrix, "a list of rows of numbers, all of one length")
_INDICES, _PATH = (_is_indices, "a list of indices, from 0 on"), (_is_text, "a string")
_ITEMS = (_is_items, "a list of dicts with transformation, inputAxes and outputAxes, the axes as indices from 0 on")
_CHILDREN, _CHILD = (is_objects, "a list of at least one transformation"), (_is_object, "a transformation")

#: what each type takes: its keys, and what each has to be; of alternatives there is exactly one
PARAMETERS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "identity": {},
    "mapAxis": {"mapAxis": _INDICES},
    "projectAxis": {"droppedInputs": _INDICES, "createdOutputs": _INDICES},
    "translation": {"translation": _NUMBERS},
    "scale": {"scale": _NUMBERS},
    "affine": {"affine": _MATRIX, "path": _PATH},
    "rotation": {"rotation": _MATRIX, "path": _PATH},
    "sequence": {"transformations": _CHILDREN},
    "byDimension": {"transformations": _ITEMS},
    "bijection": {"forward": _CHILD, "inverse": _CHILD},
    "displacements": {"path": _PATH},
    "coordinates": {"path": _PATH},
}
MATRICES = ("affine", "rotation")
FIELDS = ("displacements", "coordinates")


def children(t: Document, n: int | None) -> Iterator[tuple[Document, int | None, int | None, str]]:
    """Yield the transformations inside of one, with their axes and their places."""
    kind = t.get("type")
    if kind == "sequence":
        for index, child in enumerate(t["transformations"]):
            yield child, (n if index == 0 else inputs(child)), None, f"transformations[{index}]"
            n = outputs(child, n)
    elif kind == "byDimension":
        for index, item in enumerate(t["transformations"]):
            axes = (len(item["inputAxes"]), len(item["outputAxes"]))
            yield item["transformation"], *axes, f"transformations[{index}].transformation"
    elif kind == "bijection":
        n = inputs(t) if n is None else n
        yield t["forward"], n, n, "forward"
        yield t["inverse"], n, n, "inverse"


def nesting(t: Any) -> int:
    """Return how deep transformations are nested, counted no further than necessary to see that it is too deep."""
    level, depth = [t] if isinstance(t, Mapping) else [], 0
    while level and depth <= DEEPEST:
        inner = [each[key] for each in level for key in ("transformations", "forward", "inverse") if key in each]
        flat = [one for each in inner for one in (each if is_list(each) else [each]) if isinstance(one, Mapping)]
        items = [one.get("transformation") for one in flat]
        level = [item if isinstance(item, Mapping) else one for item, one in zip(items, flat, strict=True)]
        depth += 1
    return depth


def inputs(t: Any, depth: int = 0) -> int | None:
    """Return how many axes the input of a transformation has, as far as its parameters say it."""
    kind = kind_of_transformation(t)
    if kind in ("scale", "translation", "mapAxis"):
        return len(t[kind])
    if kind in MATRICES and kind in t:
        return len(t[kind][0]) - (kind == "affine")
    if kind == "bijection" and depth < DEEPEST:
        return inputs(t["forward"], depth + 1)
    if kind == "sequence" and depth < DEEPEST:
        for child in t["transformations"]:
            count = inputs(child, depth + 1)
            if count is not None or kind_of_transformation(child) not in ("identity", "rotation", "displacements"):
                return count
    return None


def outputs(t: Any, n: int | None, depth: int = 0) -> int | None:
    """Return how many axes the output of a transformation has whose input has `n`."""
    kind = kind_of_transformation(t)
    if kind in ("identity", "displacements"):
        return n
    if kind == "affine":
        return len(t["affine"]) if "affine" in t else None
    if kind == "projectAxis":
        changed = len(t.get("createdOutputs", ())) - len(t.get("droppedInputs", ()))
        return None if n is None else n + changed
    if kind == "byDimension":
        return sum(len(item["outputAxes"]) for item in t["transformations"])
    if kind == "sequence" and depth < DEEPEST:
        for child in t["transformations"]:
            n = outputs(child, inputs(child) if n is None else n, depth + 1)
        return n
    if kind in ("scale", "translation", "mapAxis", "rotation", "bijection"):
        own = inputs(t)
        return n if own is None else own
    return None


def kind_of_transformation(t: Any) -> str | None:
    """Return the type of a transformation whose parameters have the right form."""
    kind = t.get("type") if isinstance(t, Mapping) else None
    return kind if isinstance(kind, str) and kind in PARAMETERS and not misfits(t) else None


def misfits(t: Document) -> dict[str, str]:
    """Return the keys of parameters that are missing, too many or not what they have to be, and what is wanted."""
    kind = t["type"]
    wanted = PARAMETERS[kind]
    wrong = {key: words for key, (fits, words) in wanted.items() if key in t and not fits(t[key])}
    absent = [key for key in wanted if key not in t]
    if kind in ("scale", "translation") and "path" in t:
        wrong["path"] = "left out, as the numbers stand in the document"
    if kind not in (*MATRICES, "projectAxis"):
        return wrong | {key: wanted[key][1] for key in absent}
    if len(absent) == 2 or (not absent and kind in MATRICES):
        wrong[kind] = f"given by {' or '.join(wanted)}"
    return wrong
