"""Signs by which a kind of file is known from another with the same first bytes; none of them reads pixels."""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress

_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
_ZARR_NAMES = (".zarr", ".zr", ".ozx", ".zarr.zip")


def is_zarr(folder: str) -> bool:
    named = folder.rstrip("/" + os.sep).lower().endswith(_ZARR_NAMES)
    return named or any(os.path.exists(os.path.join(folder, name)) for name in _ZARR_FILES)


def is_n5(folder: str) -> bool:
    """Return whether a folder is an N5 container, or a group or an array in one."""
    if folder.rstrip("/" + os.sep).lower().endswith(".n5"):
        return True
    with suppress(OSError), open(os.path.join(folder, "attributes.json"), "rb") as file:
        return re.search(rb'"(n5|dimensions|downsamplingFactors)"\s*:', file.read(2**16)) is not None
    return False


def is_imaris(path: str, head: bytes) -> bool:
    return {"DataSet", "DataSetInfo"} <= _groups(path)


def is_big_data_viewer(path: str, head: bytes) -> bool:
    """Return whether an HDF5 file has the setups ("s00") and time points ("t00000") of BigDataViewer."""
    groups = _groups(path)
    return any(re.fullmatch(r"s\d{2,}", name) for name in groups) and any(
        re.fullmatch(r"t\d{5,}", name) for name in groups
    )


def is_spim_data(path: str, head: bytes) -> bool:
    """Return whether a file is the XML that BigDataViewer opens, by its root."""
    return re.match(rb"(<\?xml[^>]*\?>)?(\s|<!--.*?-->)*<SpimData[\s>]", head, re.DOTALL) is not None


def is_minc(path: str, head: bytes) -> bool:
    return "minc-2.0" in _groups(path) if head.startswith(b"\x89HDF") else path.lower().endswith(".mnc")


def _groups(path: str) -> set[str]:
    """Return the names at the root of an HDF5 file; none where it is broken, or h5py is not there."""
    with suppress(ImportError, OSError):
        import h5py

        with h5py.File(path, "r") as file:
            return set(file)
    return set()


def is_bare_dicom(path: str, head: bytes) -> bool:
    """Return whether a file begins with a data element of DICOM, without the preamble that the standard asks for.

    "The Data Elements of a Data Set are ordered by increasing Data Element Tag" (PS3.5, 7.1), so the first is of group
    0002 or 0008, and short; it has the name of its type (VR), or its length in its place.
    """
    if len(head) < 12:
        return False
    for order in "<>":
        group, element = struct.unpack(order + "HH", head[:4])
        if group not in (2, 8) or element > 0x0070:
            continue
        if head[4:6] in (b"UL", b"CS", b"UI", b"DA", b"TM", b"SH", b"OB", b"LO", b"PN", b"ST", b"SQ", b"DT"):
            return True
        if struct.unpack(order + "I", head[4:8])[0] <= 64 and path.lower().endswith((".dcm", ".dicom", ".ima")):
            return True
    return False


def is_dicom(path: str) -> bool:
    """Return whether a file is DICOM, but no directory of such files."""
    if os.path.basename(path).startswith((".", "DICOMDIR")):
        return False
    with suppress(OSError), open(path, "rb") as file:
        head = file.read(132)
        return head[128:] == b"DICM" or is_bare_dicom(path, head)
    return False


def is_dicom_folder(folder: str) -> bool:
    """Return whether a folder holds DICOM: it says so, or its first file is of the kind."""
    if os.path.isfile(os.path.join(folder, "DICOMDIR")):
        return True
    with os.scandir(folder) as found:
        first = min((each.path for each in found if each.is_file() and not each.name.startswith(".")), default=None)
    return first is not None and is_dicom(first)


def is_cifti(path: str, head: bytes) -> bool:
    """Return whether a NIfTI-2 header has one of the intents of CIFTI (3000 to 3099)."""
    order = "<" if head.startswith(b"\x1c") else ">"
    return len(head) >= 508 and 3000 <= struct.unpack_from(order + "i", head, 504)[0] < 3100


def is_analyze(path: str, head: bytes) -> bool:
    """Return whether a header of 348 bytes is that of Analyze, and not one of NIfTI."""
    return head[344:347] not in (b"ni1", b"n+1") and path.lower().endswith(".hdr")


def is_vsi(path: str, head: bytes) -> bool:
    return path.lower().endswith(".vsi")
