from .families import FAMILIES as FAMILIES
from .open import open_input as open_input
from .zarr_store import Beside as Beside
from .zarr_store import label_boxes as label_boxes
