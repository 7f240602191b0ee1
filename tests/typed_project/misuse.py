"""What a type checker must find: each line is wrong, and says by which code of mypy. It is never run."""

from __future__ import annotations

import ome_ngff
from ome_ngff import Multiscales, NgffImage, config, open_image, validate, write_image, write_labels

write_image([[1]], "a.ome.zarr", scle={"y": 0.5})  # error: arg-type
write_image([[1]], "a.ome.zarr", scale="0.5")  # error: arg-type
write_image([[1]], "a.ome.zarr", fmt=0.4)  # error: arg-type
write_image([[1]], "a.ome.zarr", scale_factors=["2"])  # error: arg-type
write_image([[1]])  # error: call-arg
write_labels([[1]], "a.ome.zarr", name=1)  # error: arg-type
write_labels([[1]], "a.ome.zarr", omero={})  # error: arg-type
ome_ngff.write_imag([[1]], "a.ome.zarr")  # error: attr-defined
image: NgffImage = open_image("a.ome.zarr")  # error: assignment
shape = open_image("a.ome.zarr").levels[0].shap  # error: attr-defined
data = open_image("a.ome.zarr").images.data  # error: attr-defined
validate("a.ome.zarr").valid()  # error: operator
config.memory_target = ["2GB"]  # error: assignment
config.memory = 1  # error: attr-defined


def first(pyramid: Multiscales) -> str:
    return pyramid.images[0]  # error: return-value
