from .conversion import Conversion as Conversion
from .conversion import adjusted as adjusted
from .conversion import converted as converted
from .conversion import drafted as drafted
from .families import FAMILIES as FAMILIES
from .open import open_input as open_input
