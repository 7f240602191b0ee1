"""DICOM as scanners write it: series in folders, in no order, frames in one file, rescaled, compressed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

import ome_ngff
from ome_ngff.exceptions import InputError
from ome_ngff.inputs import describe_input, open_input

STACK = np.random.default_rng(4).integers(0, 4000, (6, 20, 30), "uint16")
SERIES = "1.2.3.4"
AXIAL = [1, 0, 0, 0, 1, 0]
CT, ENHANCED, CINE = (f"1.2.840.10008.5.1.4.1.1.{last}" for last in ("2", "4.1", "3.1"))


def header(pixels: np.ndarray, kind: str = CT, **said: Any) -> Dataset:
    """Describe the pixels of one file, as a scanner would."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = kind, generate_uid(), SERIES
    data.StudyInstanceUID, data.Modality, data.SeriesDescription = "1.2.3", "CT", "chest"
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = kind, data.SOPInstanceUID
    data.SamplesPerPixel = pixels.shape[-1] if pixels.shape[-1] == 3 else 1
    data.PhotometricInterpretation = "RGB" if data.SamplesPerPixel == 3 else "MONOCHROME2"
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = pixels.shape[-2 - (data.SamplesPerPixel == 3) :][:2]
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    for keyword, value in said.items():
        setattr(data, keyword, value)
    data.PixelData = pixels.tobytes()
    return data


def write_series(folder: Path, stack: np.ndarray = STACK, turn: Any = AXIAL, gap: float = 2.5, **said: Any) -> Path:
    """Write a file per plane, with names and instance numbers that say nothing of their order."""
    folder.mkdir(exist_ok=True)
    normal = np.cross(turn[:3], turn[3:])
    for z, plane in enumerate(stack):
        place = np.array([-10, 20, 100]) + gap * z * normal
        data = header(plane, PixelSpacing=[0.7, 0.6], ImageOrientationPatient=turn, SliceThickness=3)
        data.ImagePositionPatient, data.InstanceNumber = [f"{each:.10g}" for each in place], (7 * z) % len(stack) + 1
        for keyword, value in said.items():
            setattr(data, keyword, value[z] if isinstance(value, list) else value)
        data.save_as(folder / f"IM{hash((z, str(said))) % 10**8:08}", enforce_file_format=True)
    return folder


def itk_series(folder: Path) -> Any:
    """Read a series with GDCM, which orders it by position, too."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def test_slices_of_a_series_are_ordered_by_position(tmp_path: Path) -> None:
    image = open_input(write_series(tmp_path / "ct"))
    assert (image.dims, image.name, image.data.dtype) == (tuple("zyx"), "chest", np.uint16)
    np.testing.assert_array_equal(image.data[...], STACK)
    np.testing.assert_array_equal(image.data[2:4, 5, 6:9], STACK[2:4, 5, 6:9])
    assert (image.scale, image.data.chunks) == ({"z": 2.5, "y": 0.7, "x": 0.6}, (1, 20, 30))
    assert image.axes_units == dict.fromkeys("zyx", "millimeter")
    assert image.axes_orientations == {
        "x": "right-to-left", "y": "anterior-to-posterior", "z": "inferior-to-superior",
    }  # fmt: skip
    assert image.translation == {"x": -10, "y": 20, "z": 100}


@pytest.mark.parametrize(
    "turn", [AXIAL, [-1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1], [0.8, 0.6, 0, -0.6, 0.8, 0]], ids=str
)
def test_a_series_lies_where_itk_has_it(tmp_path: Path, turn: Any) -> None:
    write_series(tmp_path / "ct", turn=turn)
    with pytest.warns(UserWarning, match="36.9 degrees askew") if 0.8 in turn else nullcontext():
        image = open_input(tmp_path / "ct")
    theirs = itk_series(tmp_path / "ct")
    np.testing.assert_array_equal(image.data[...], sitk.GetArrayFromImage(theirs))
    assert tuple(image.scale[axis] for axis in "xyz") == pytest.approx(theirs.GetSpacing())
    for i, axis in enumerate("xyz"):
        index = [3 * (k == i) for k in range(3)]
        move = np.subtract(theirs.TransformIndexToPhysicalPoint(index), theirs.GetOrigin())
        side = int(np.abs(move).argmax())
        names = [("left", "right"), ("posterior", "anterior"), ("superior", "inferior")][side]
        assert image.axes_orientations[axis].split("-to-")[1] == names[int(move[side] < 0)]
        assert image.translation[axis] == pytest.approx(theirs.GetOrigin() @ move / np.linalg.norm(move))


@pytest.mark.parametrize(
    ("said", "dtype"),
    [
        pytest.param({"RescaleSlope": 1, "RescaleIntercept": -1024}, "int32", id="ct"),
        pytest.param({"RescaleSlope": [0.5, 1.5, 2, 2.5, 3, 7], "RescaleIntercept": 0}, "float32", id="pet"),
        pytest.param({"RescaleSlope": 1, "RescaleIntercept": 0}, "uint16", id="as-stored"),
    ],
)
def test_values_are_rescaled_as_each_slice_says(tmp_path: Path, said: Any, dtype: str) -> None:
    image = open_input(write_series(tmp_path / "ct", **said))
    slope = np.reshape(said["RescaleSlope"], (-1, 1, 1))
    assert image.data.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.data[...], (STACK * slope + said["RescaleIntercept"]).astype(dtype))


@pytest.mark.parametrize("place", ["folder", "glob", "dicomdir"])
def test_a_series_is_found_below_a_folder_or_by_a_glob(tmp_path: Path, place: str) -> None:
    folder = write_series(tmp_path / "ct")
    (folder / "notes.txt").write_text("seen")
    (folder / ".hidden").write_bytes(next(folder.glob("IM*")).read_bytes())
    if place == "dicomdir":
        (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    where = {"folder": folder, "glob": folder / "IM*", "dicomdir": tmp_path}[place]
    np.testing.assert_array_equal(open_input(where).data[...], STACK)


def test_several_series_are_told_apart(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct", STACK[:2] + 1, SeriesInstanceUID="1.2.3.5", SeriesDescription="scout")
    np.testing.assert_array_equal(open_input(tmp_path / "ct", series="scout").data[...], STACK[:2] + 1)
    np.testing.assert_array_equal(open_input(tmp_path / "ct", series=0).data[...], STACK)
    found = describe_input(tmp_path / "ct").images
    assert [(image.series, image.name, image.shape) for image in found] == [
        (0, "chest", (6, 20, 30)), (1, "scout", (2, 20, 30)),
    ]  # fmt: skip


def test_times_and_echoes_at_one_place_are_dimensions(tmp_path: Path) -> None:
    for t, echo in np.ndindex(3, 2):
        stack = STACK + 100 * t + 1000 * echo
        said = {"TemporalPositionIdentifier": 3 - t, "EchoTime": 2.5 * (2 - echo), "SOPInstanceUID": generate_uid()}
        write_series(tmp_path / "mr", stack, AcquisitionNumber=10 * t + echo, **said)
    image = open_input(tmp_path / "mr")
    assert (image.dims, image.channel_names) == (tuple("tczyx"), ["echo at 2.5 ms", "echo at 5 ms"])
    for t, echo in np.ndindex(3, 2):
        np.testing.assert_array_equal(image.data[2 - t, 1 - echo], STACK + 100 * t + 1000 * echo)


def remove_third(folder: Path) -> None:
    planes = {float(pydicom.dcmread(path).ImagePositionPatient[2]): path for path in folder.iterdir()}
    planes[105.0].unlink()


def move_third(folder: Path) -> None:
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        if data.ImagePositionPatient[2] == 105:
            data.ImagePositionPatient[2] = 105.9
            data.save_as(path)


def test_a_missing_slice_is_named(tmp_path: Path) -> None:
    remove_third(write_series(tmp_path / "ct"))
    with pytest.raises(InputError, match=r"ct lacks 1 slices between .*IM\d+ and .*IM\d+\."):
        open_input(tmp_path / "ct")


def test_a_tilted_gantry_is_told(tmp_path: Path) -> None:
    tilted = [[-10, 20 + 0.5 * z, 100 + 2.5 * z] for z in range(len(STACK))]
    write_series(tmp_path / "ct", ImagePositionPatient=tilted)
    with pytest.warns(UserWarning, match=r"shifted against each other by 2\.5 mm, as by a tilted gantry"):
        image = open_input(tmp_path / "ct")
    assert image.scale == {"z": 2.5, "y": 0.7, "x": 0.6}


def test_slices_that_are_not_even_have_no_distance(tmp_path: Path) -> None:
    move_third(write_series(tmp_path / "ct"))
    with pytest.warns(UserWarning, match=r"1\.6 to 3\.4 mm apart, so that it has no pixel size along z"):
        image = open_input(tmp_path / "ct")
    assert image.scale == {"y": 0.7, "x": 0.6}
    np.testing.assert_array_equal(image.data[...], STACK)


def copy_one(folder: Path) -> None:
    path = min(folder.iterdir())
    path.with_name("copy").write_bytes(path.read_bytes())


def turn_one(folder: Path) -> None:
    data = pydicom.dcmread(min(folder.iterdir()))
    data.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    data.save_as(min(folder.iterdir()))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(copy_one, "but 2 where|but 1 where", id="copied"),
        pytest.param(turn_one, "is not of the same stack as", id="turned"),
    ],
)
def test_slices_of_no_stack_are_refused(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(write_series(tmp_path / "ct"))
    with pytest.raises(InputError, match=message):
        open_input(tmp_path / "ct")


def packed(codec: str, plane: np.ndarray) -> bytes:
    options = {"level": 0, "codecformat": "j2k"} if codec == "jpeg2k" else {}
    return getattr(imagecodecs, f"{codec}_encode")(plane, **options)


@pytest.mark.parametrize(
    ("syntax", "codec"),
    [
        pytest.param(JPEGLosslessSV1, "ljpeg", id="lossless-jpeg"),
        pytest.param(JPEGLSLossless, "jpegls", id="jpeg-ls"),
        pytest.param(JPEG2000Lossless, "jpeg2k", id="jpeg-2000"),
        pytest.param(RLELossless, "", id="run-lengths"),
        pytest.param(ImplicitVRLittleEndian, "", id="implicit"),
    ],
)
def test_compressed_slices_are_decoded(tmp_path: Path, syntax: str, codec: str) -> None:
    for path in write_series(tmp_path / "ct").iterdir():
        data = pydicom.dcmread(path)
        if codec:
            data.PixelData = encapsulate([packed(codec, data.pixel_array)])
            data["PixelData"].VR = "OB"
        elif syntax == RLELossless:
            data.compress(syntax)
        data.file_meta.TransferSyntaxUID = syntax
        data.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(open_input(tmp_path / "ct").data[...], STACK)


def test_frames_of_an_enhanced_file_are_ordered_by_position(tmp_path: Path) -> None:
    order = [3, 0, 5, 1, 4, 2]
    data = header(STACK[order], ENHANCED, NumberOfFrames=6)
    shared, measures, turn = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, turn.ImageOrientationPatient = [0.7, 0.6], AXIAL
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turn]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], []
    for z in order:
        frame, place, values = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-10, 20, 100 + 2.5 * z]
        values.RescaleSlope, values.RescaleIntercept = z + 1, 0.5
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [values]
        data.PerFrameFunctionalGroupsSequence.append(frame)
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    image = open_input(tmp_path / "a.dcm")
    wanted = STACK * np.arange(1, 7).reshape(6, 1, 1) + 0.5
    np.testing.assert_array_equal(image.data[...], wanted.astype("float32"))
    assert (image.scale, image.translation) == ({"z": 2.5, "y": 0.7, "x": 0.6}, {"x": -10, "y": 20, "z": 100})


def test_frames_of_a_film_are_times(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 255, (5, 20, 30, 3), "uint8")
    data = header(film, CINE, NumberOfFrames=5, FrameTime=40, FrameIncrementPointer=0x00181063)
    data.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    image = open_input(tmp_path / "film.dcm")
    assert (image.dims, image.scale, image.axes_units) == (tuple("tcyx"), {"t": 40}, {"t": "millisecond"})
    np.testing.assert_array_equal(image.data[...], np.moveaxis(film, -1, 1))


def test_frames_that_nothing_is_said_of_are_asked_for(tmp_path: Path) -> None:
    header(STACK, CINE, NumberOfFrames=6).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(ome_ngff.exceptions.AxesError, match="does not say what its dimensions are"):
        open_input(tmp_path / "a.dcm")
    np.testing.assert_array_equal(open_input(tmp_path / "a.dcm", axes="tyx").data[...], STACK)


def test_planes_without_place_or_number_are_refused(tmp_path: Path) -> None:
    for z in range(2):
        header(STACK[z]).save_as(tmp_path / f"{z}.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="says neither where its planes lie nor which numbers they have"):
        open_input(tmp_path)


def test_one_slice_is_a_plane(tmp_path: Path) -> None:
    header(STACK[0], PixelSpacing=[0.7, 0.6]).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    image = open_input(tmp_path / "a.dcm")
    assert (image.dims, image.scale) == (tuple("yx"), {"y": 0.7, "x": 0.6})
    np.testing.assert_array_equal(image.data[...], STACK[0])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param({"Rows": None}, "a DICOM file without an image", id="report"),
        pytest.param({"TotalPixelMatrixRows": 99}, "a slide in tiles", id="slide"),
        pytest.param({"PhotometricInterpretation": "PALETTE COLOR"}, "has a palette", id="palette"),
    ],
)
def test_what_is_no_grid_of_planes_is_named(tmp_path: Path, said: Any, message: str) -> None:
    header(STACK[0], **said).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=message):
        open_input(tmp_path / "a.dcm")


def test_opening_a_series_reads_no_pixels_and_slicing_only_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pydicom.pixels.utils as utils

    image, reads, read = open_input(write_series(tmp_path / "ct")), [], utils.pixel_array
    monkeypatch.setattr(utils, "pixel_array", lambda *args, **words: reads.append(args) or read(*args, **words))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image.data))[1:3, 4:5], STACK[1:3, 4:5])
    assert len(reads) == 2


def test_convert_makes_an_image_of_a_series(tmp_path: Path) -> None:
    ome_ngff.convert(write_series(tmp_path / "ct"), tmp_path / "out.ome.zarr")
    image = ome_ngff.open_image(tmp_path / "out.ome.zarr").images[0]
    np.testing.assert_array_equal(np.asarray(image.data), STACK)
    assert image.scale == {"z": 2.5, "y": 0.7, "x": 0.6}
