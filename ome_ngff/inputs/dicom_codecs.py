"""What pydicom asks of a plugin that decodes frames; imagecodecs does the work."""

from __future__ import annotations

from typing import Any

_CODECS = {
    "1.2.840.10008.1.2.4.51": "jpeg_decode",  # 12 bits
    "1.2.840.10008.1.2.4.57": "ljpeg_decode",
    "1.2.840.10008.1.2.4.70": "ljpeg_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
    "1.2.840.10008.1.2.4.90": "jpeg2k_decode",  # colour of more than 8 bits
    "1.2.840.10008.1.2.4.91": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.201": "htj2k_decode",
    "1.2.840.10008.1.2.4.202": "htj2k_decode",
    "1.2.840.10008.1.2.4.203": "htj2k_decode",
}
SYNTAXES = tuple(_CODECS)
DECODER_DEPENDENCIES = dict.fromkeys(_CODECS, ("imagecodecs",))


def is_available(syntax: str) -> bool:
    return syntax in _CODECS


def decode(packed: bytes, runner: Any) -> bytes:
    """Return the raw pixels of a frame, and tell the runner how many bits each has."""
    import imagecodecs

    pixels = getattr(imagecodecs, _CODECS[runner.transfer_syntax])(packed)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    found: bytes = pixels.tobytes()
    return found
