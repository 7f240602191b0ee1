"""Compression by name or by codec object, in the terms of Zarr v2 and v3."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ..exceptions import CodecError
from ..text import nearest_word

# Highest level of each codec, and its default.
_LEVELS = {"blosc-zstd": (9, 1), "blosc-lz4": (9, 5), "zstd": (22, 3), "gzip": (9, 5), "none": (0, 0)}
BLOCK_BYTES = 2**19  # Blosc alone takes 2**15, of which Zstandard compresses 0.7 as many a second, 3 % larger
LABELS = "zstd"  # whole runs of one label, not the bytes of each pixel apart: 2.5 times as fast, 1.6 times as small


@attrs.frozen
class Compression:
    """Name a compression, in terms that both versions of Zarr understand.

    Attributes:
        name: "blosc-zstd", "blosc-lz4", "zstd", "gzip" or "none".
        level: effort; the range depends on the codec.
        codec: a codec object of numcodecs or `zarr.codecs` that is used as it is instead of the name.
        block: bytes that Blosc shuffles and compresses at once; 0 leaves it to Blosc.
    """

    name: str = "blosc-zstd"
    level: int = 1
    codec: Any = None
    block: int = BLOCK_BYTES

    @classmethod
    def parse(cls, compression: Any) -> Compression:
        """Take None or "auto" (the default), "zstd", "zstd:7", ("zstd", 7), a codec object, or a list of one.

        Raises:
            CodecError: the name or the level is unknown.
        """
        if compression is None or (isinstance(compression, str) and compression == "auto"):
            return cls()
        if isinstance(compression, cls):
            return compression
        if isinstance(compression, (list, tuple)) and len(compression) in (0, 1):
            return cls.parse(compression[0]) if compression else cls("none", 0)
        if isinstance(compression, str):
            name, _, level = compression.partition(":")
            return cls._named(name, level or None)
        if isinstance(compression, (list, tuple)) and len(compression) == 2 and isinstance(compression[0], str):
            return cls._named(*compression)
        if hasattr(compression, "codec_id") or hasattr(compression, "to_dict"):
            return cls._from_codec(compression)
        raise CodecError(f"compression is a name such as 'zstd:3' or a codec object (got {compression!r}).")

    @classmethod
    def _named(cls, name: str, level: Any) -> Compression:
        if name not in _LEVELS:
            raise CodecError(
                f"There is no compression {name!r}.{nearest_word(name, _LEVELS)} Known: {', '.join(_LEVELS)}, "
                f"each with a level, such as 'zstd:3'."
            )
        highest, default = _LEVELS[name]
        try:
            level = default if level is None else int(level)
        except (TypeError, ValueError):
            level = -1
        if not 0 <= level <= highest:
            raise CodecError(f"The level of {name} is a whole number from 0 to {highest}.")
        return cls(name, level)

    @classmethod
    def _from_codec(cls, codec: Any) -> Compression:
        """Recognise a codec object by its configuration, so that it can be written in either version of Zarr."""
        config = codec.get_config() if hasattr(codec, "get_config") else codec.to_dict()
        name = str(config.get("id") or config.get("name"))
        config = config.get("configuration", config) or {}
        shuffle = config.get("shuffle")
        if name == "blosc" and config["cname"] in ("zstd", "lz4") and shuffle in (1, "shuffle"):
            return cls(f"blosc-{config['cname']}", int(config["clevel"]), block=int(config["blocksize"]))
        if name == "gzip" or (name == "zstd" and not config.get("checksum")):
            return cls(name, int(config["level"]))
        return cls(name, 0, codec)

    def compressors(self, zarr_format: int, dtype: np.dtype[Any]) -> Any:
        """Return what `zarr.create_array` takes as `compressors`.

        Raises:
            CodecError: a codec object of the other version of Zarr that has no counterpart here.
        """
        if self.codec is not None:
            fits = hasattr(self.codec, "codec_id") == (zarr_format == 2)
            if not fits:
                home = "numcodecs (0.4, Zarr v2)" if zarr_format == 2 else "zarr.codecs (0.5, Zarr v3)"
                raise CodecError(f"The codec {self.codec!r} cannot be used here; take one from {home}, or a name.")
            return self.codec
        if self.name == "none":
            return None if zarr_format == 2 else ()
        if zarr_format == 2:
            import numcodecs

            if self.name.startswith("blosc-"):
                return numcodecs.Blosc(self.name[6:], self.level, numcodecs.Blosc.SHUFFLE, self.block)
            return numcodecs.Zstd(self.level) if self.name == "zstd" else numcodecs.GZip(self.level)
        from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

        if self.name.startswith("blosc-"):
            words: Any = {"cname": self.name[6:], "clevel": self.level, "blocksize": self.block}
            return BloscCodec(typesize=dtype.itemsize, shuffle="shuffle", **words)
        return ZstdCodec(level=self.level) if self.name == "zstd" else GzipCodec(level=self.level)

    def __str__(self) -> str:
        return self.name if self.codec is not None or self.name == "none" else f"{self.name}:{self.level}"
