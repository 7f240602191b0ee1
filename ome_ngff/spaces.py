"""Coordinate systems, transformations of points between them, and scenes: images that lie to each other in space."""

from .read import Scene as Scene
from .read import open_scene as open_scene
from .spec import Affine as Affine
from .spec import Bijection as Bijection
from .spec import ByDimension as ByDimension
from .spec import Coordinates as Coordinates
from .spec import CoordinateSystem as CoordinateSystem
from .spec import Displacements as Displacements
from .spec import Edge as Edge
from .spec import Graph as Graph
from .spec import Identity as Identity
from .spec import MapAxis as MapAxis
from .spec import OnAxes as OnAxes
from .spec import ProjectAxis as ProjectAxis
from .spec import Ref as Ref
from .spec import Rotation as Rotation
from .spec import Scale as Scale
from .spec import Sequence as Sequence
from .spec import Transformation as Transformation
from .spec import Translation as Translation
from .spec import Unknown as Unknown
from .spec import compose as compose
from .write import write_scene as write_scene
