"""What the documentation of ome-zarr shows first: images, pyramids, labels and their metadata by its classes."""

import numpy as np
from ome_zarr import OMEZarrImage, OMEZarrLabels, OMEZarrMultiscale
from skimage.data import binary_blobs

data = np.random.default_rng(0).poisson(lam=10, size=(2, 10, 64, 64)).astype(np.uint8)
image = OMEZarrImage(
    data=data,
    axes=["c", "z", "y", "x"],
    scale={"c": 1.0, "z": 0.5, "y": 0.1, "x": 0.1},
    axes_units={"z": "micrometer", "y": "micrometer", "x": "micrometer"},
)
multiscales = OMEZarrMultiscale(
    image=image,
    scale_factors=(2, 4, 8),
    method="resize",
    channel_names=["DAPI", "GFP"],
    channel_colors=["00FFFF", "FF00FF"],
    contrast_limits=[(0, 255), (0, 255)],
)
multiscales.to_ome_zarr("image.ome.zarr")
shapes = [level.data.shape for level in multiscales.images]
back = OMEZarrMultiscale.from_ome_zarr("image.ome.zarr")
first = back.images[0]
named = [(channel.label, channel.active, channel.window.end) for channel in back.omero.channels]
shown = back.omero.model_dump()
for channel in shown["channels"]:
    channel["label"] = channel["label"].lower()
back.omero = shown
back.to_ome_zarr("renamed.ome.zarr")
renamed = OMEZarrMultiscale.from_ome_zarr("renamed.ome.zarr").omero.channels[1].label

volume = np.random.default_rng(0).poisson(10, size=(32, 32, 32)).astype(np.uint8)
ngff_image = OMEZarrImage(volume, axes="zyx", name="image")
OMEZarrMultiscale(ngff_image).to_ome_zarr("labels.zarr", overwrite=True)
blobs = binary_blobs(length=32, volume_fraction=0.1, n_dim=3).astype("int8")
labels = OMEZarrLabels(image=OMEZarrImage(data=blobs, axes="zyx"))
parent = OMEZarrMultiscale.from_ome_zarr("labels.zarr")
before = parent.labels
parent.labels = {"one": labels}
parent.to_ome_zarr("labels.zarr", overwrite=False)
parent = OMEZarrMultiscale.from_ome_zarr("labels.zarr")
second = OMEZarrLabels(image=OMEZarrImage(data=2 * blobs, axes="zyx"))
parent.labels["two"] = second
parent.to_ome_zarr("labels.zarr", overwrite=False)

colors = [{"label-value": 0, "rgba": [0, 0, 0, 255]}, {"label-value": 1, "rgba": [255, 255, 255, 255]}]
classes = [{"label-value": 0, "class": "background"}, {"label-value": 1, "class": "foreground"}]
labels.image_label = {"colors": colors, "properties": classes}
described = OMEZarrMultiscale(image=ngff_image, scale_factors=[2, 4])
described.labels = {"test_labels": labels}
described.to_ome_zarr("described.zarr")
read = OMEZarrMultiscale.from_ome_zarr("described.zarr").labels["test_labels"].image_label.model_dump()
alone = OMEZarrLabels.from_ome_zarr("described.zarr/labels/test_labels").image_label.model_dump()

custom = [{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}]
OMEZarrMultiscale(ngff_image, scale_factors=custom, method="nearest").to_ome_zarr("custom.zarr", version="0.4")
OMEZarrLabels(OMEZarrImage(blobs, axes="zyx"), scale_factors=custom).to_ome_zarr("alone.zarr")
