"""Volumes as medicine keeps them: where each lies in the patient, and what its header says of its pixels."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nibabel.eulerangles import euler2mat

from ome_ngff.inputs.placing import Placement


@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), flips=st.tuples(*[st.sampled_from([-1, 1])] * 3))
def test_directions_of_an_affine_are_those_that_nibabel_finds(angles: Any, flips: Any) -> None:
    affine = np.eye(4)
    affine[:3, :3] = euler2mat(*angles) @ np.diag(flips)
    found = Placement.of(affine).orientations
    letters = [found[axis].split("-to-")[1][0].upper() for axis in "xyz"]
    assert letters == list(nibabel.aff2axcodes(affine))
