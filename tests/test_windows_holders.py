"""Tests of claims and holders once more, on a file system as Windows has it."""
# ruff: noqa: F401

from __future__ import annotations

from pathlib import Path

import pytest
from test_claims import (
    slots,
    test_a_block_that_fails_leaves_nothing_behind,
    test_a_holder_who_comes_back_sees_the_loss_and_removes_nothing,
    test_a_silent_holder_is_robbed_after_the_patience_and_not_before,
    test_one_of_many_waiters_gets_what_a_dead_one_held,
    test_threads_are_in_the_block_one_at_a_time,
)
from test_holder import (
    small,
    test_late_tasks_leave_nothing_in_a_finished_image,
    test_one_who_lost_the_lock_deletes_nothing,
    test_tasks_of_a_replaced_image_stop,
    test_two_that_resume_at_the_same_moment_lose_nothing,
)
from test_windows import readers, refused

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are found below /proc")
