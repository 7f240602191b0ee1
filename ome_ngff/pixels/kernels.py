"""The compiled loops: block mean, block mode, strided pick, separable decimating filter.

Every kernel works on blocks of four dimensions, (rest, z, y, x), in native byte order and C order, and releases the
GIL. An output sample is computed by the same operations in the same order wherever its block was cut, so results are
identical to the last bit for any chunking. The module is imported only when pixels move: it brings numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

Kernel = Callable[..., Any]


def _jit(function: Kernel) -> Kernel:
    """Compile a function when it is first called, for each dtype once, and keep the machine code on disk."""
    compiled: Kernel = njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


@_jit
def pick(block: Any, iz: Any, iy: Any, ix: Any, out: Any) -> None:
    """Copy the pixels at the crossings of the indices `iz`, `iy`, `ix`; every second one of a row in vectors."""
    width = out.shape[3]
    second = width > 0
    for x in range(1, width):
        second &= ix[x] - ix[x - 1] == 2
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            for y in range(out.shape[2]):
                row, target = block[r, iz[z], iy[y]], out[r, z, y]
                if second:
                    row = row[ix[0] :]
                    for x in range(width):
                        target[x] = row[2 * x]
                else:
                    for x in range(width):
                        target[x] = row[ix[x]]


@_jit
def mean_int(block: Any, fz: int, fy: int, fx: int, acc: Any, out: Any) -> None:
    """Average windows of integers up to 32 bits exactly, half to even; `acc`: one row that can hold the sums."""
    one = acc[0] * 0 + 1
    width = block.shape[3]
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            z1 = min(z * fz + fz, block.shape[1])
            for y in range(out.shape[2]):
                y1 = min(y * fy + fy, block.shape[2])
                acc[:] = 0
                for zz in range(z * fz, z1):
                    for yy in range(y * fy, y1):
                        row = block[r, zz, yy]
                        for x in range(width):
                            acc[x] += row[x]
                rows = (z1 - z * fz) * (y1 - y * fy)
                target = out[r, z, y]
                whole = width // fx
                _mean_row(acc, rows, fx, whole, target, one)
                if whole < target.shape[0]:
                    _mean_row(acc[whole * fx :], rows, width - whole * fx, 1, target[whole:], one)


@_jit
def _mean_row(acc: Any, rows: int, fx: int, n: int, target: Any, one: Any) -> None:
    """Sum `fx` neighbours of `acc` for each of `n` samples and divide by `rows * fx`, half to even."""
    count = rows * fx
    if count & (count - 1) == 0:
        shift, half_less_one = one * 0, one * 0
        while (1 << shift) < count:
            shift += one
        if count > 1:
            half_less_one = (one << (shift - one)) - one
            if fx == 2:
                for x in range(n):
                    total = acc[2 * x] + acc[2 * x + 1]
                    target[x] = (total + half_less_one + ((total >> shift) & one)) >> shift
                return
        for x in range(n):
            total = acc[x * fx]
            for k in range(1, fx):
                total += acc[x * fx + k]
            if count > 1:
                total = (total + half_less_one + ((total >> shift) & one)) >> shift
            target[x] = total
    else:
        for x in range(n):
            total = acc[x * fx]
            for k in range(1, fx):
                total += acc[x * fx + k]
            target[x] = np.int64(np.rint(np.float64(total) / count))


@_jit
def mean_wide(block: Any, fz: int, fy: int, fx: int, number: Any, out: Any) -> None:
    """Average windows of 64-bit integers exactly, half to even: quotients and remainders are summed apart.

    number: room for one number, uint64 or int64 as the pixels are signed; arithmetic that mixes the two is signed.
    """
    number[0] = 0
    zero = number[0]
    number[0] = 1
    one = number[0]
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            z1 = min(z * fz + fz, block.shape[1])
            for y in range(out.shape[2]):
                y1 = min(y * fy + fy, block.shape[2])
                for x in range(out.shape[3]):
                    x1 = min(x * fx + fx, block.shape[3])
                    number[0] = (z1 - z * fz) * (y1 - y * fy) * (x1 - x * fx)
                    count, quotient, rest = number[0], zero, zero
                    for zz in range(z * fz, z1):
                        for yy in range(y * fy, y1):
                            for xx in range(x * fx, x1):
                                value = block[r, zz, yy, xx]
                                floor = value // count
                                quotient += floor
                                rest += value - floor * count
                    floor = rest // count
                    quotient += floor
                    rest -= floor * count
                    if rest + rest > count or (rest + rest == count and quotient & one):
                        quotient += one
                    out[r, z, y, x] = quotient


@_jit
def mean_float(block: Any, fz: int, fy: int, fx: int, out: Any) -> None:
    """Average windows of floats in float64, relative to the first pixel so that a constant stays itself."""
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            z1 = min(z * fz + fz, block.shape[1])
            for y in range(out.shape[2]):
                y1 = min(y * fy + fy, block.shape[2])
                for x in range(out.shape[3]):
                    x1 = min(x * fx + fx, block.shape[3])
                    base = np.float64(block[r, z * fz, y * fy, x * fx])
                    if not np.isfinite(base):
                        base = np.float64(0.0)
                    total = 0.0
                    for zz in range(z * fz, z1):
                        for yy in range(y * fy, y1):
                            for xx in range(x * fx, x1):
                                total += block[r, zz, yy, xx] - base
                    count = (z1 - z * fz) * (y1 - y * fy) * (x1 - x * fx)
                    mean = base + total / count
                    if not np.isfinite(mean):  # unless the window is not, a difference was too large for float64
                        mean = 0.0
                        for zz in range(z * fz, z1):
                            for yy in range(y * fy, y1):
                                for xx in range(x * fx, x1):
                                    mean += np.float64(block[r, zz, yy, xx]) / count
                    out[r, z, y, x] = mean


@_jit
def mode(block: Any, fz: int, fy: int, fx: int, differ: Any, mixed: Any, window: Any, out: Any) -> None:
    """Take the most frequent value of each window, the smallest on a tie.

    differ: one bool per column of the block; mixed: one per column of `out`; window: room for fz*fy*fx values. All are
    overwritten. Loops without branches find the windows of one value, which are most of them.
    """
    width = block.shape[3]
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            z0, z1 = z * fz, min(z * fz + fz, block.shape[1])
            for y in range(out.shape[2]):
                y0, y1 = y * fy, min(y * fy + fy, block.shape[2])
                first_row, target = block[r, z0, y0], out[r, z, y]
                differ[:] = False
                for zz in range(z0, z1):
                    for yy in range(y0, y1):
                        row = block[r, zz, yy]
                        for x in range(width):
                            differ[x] |= row[x] != first_row[x]
                whole = width // fx
                count = _mixed_windows(first_row, differ, fx, whole, mixed, target)
                if whole < target.shape[0]:
                    count += _mixed_windows(
                        first_row[whole * fx :],
                        differ[whole * fx :],
                        width - whole * fx,
                        1,
                        mixed[whole:],
                        target[whole:],
                    )
                if count == 0:
                    continue
                for x in range(target.shape[0]):
                    if mixed[x]:
                        n = 0
                        for zz in range(z0, z1):
                            for yy in range(y0, y1):
                                for xx in range(x * fx, min(x * fx + fx, width)):
                                    window[n] = block[r, zz, yy, xx]
                                    n += 1
                        target[x] = _most_frequent(window, n)


@_jit
def _mixed_windows(row: Any, differ: Any, fx: int, n: int, mixed: Any, target: Any) -> int:
    """Give each of `n` windows its first value, and say which have others; return their number."""
    count = 0
    if fx == 2:
        for x in range(n):
            mixed[x] = differ[2 * x] | differ[2 * x + 1] | (row[2 * x] != row[2 * x + 1])
            target[x] = row[2 * x]
            count += mixed[x]
        return count
    for x in range(n):
        found = False
        for k in range(x * fx, x * fx + fx):
            found |= differ[k] | (row[k] != row[x * fx])
        mixed[x] = found
        target[x] = row[x * fx]
        count += found
    return count


@_jit
def _less(a: Any, b: Any) -> Any:
    return a < b or (b != b and a == a)  # NaN sorts last, as in NumPy


@_jit
def _most_frequent(window: Any, n: int) -> Any:
    """Return the most frequent of the first `n` values, the smallest on a tie; their order is lost."""
    first, other = window[0], window[0]
    firsts, others = 0, 0
    for i in range(n):  # most borders run between two values
        if window[i] == first:
            firsts += 1
        else:
            if others == 0:
                other = window[i]
            if window[i] == other:
                others += 1
    if firsts + others == n:
        return first if firsts > others or (firsts == others and first < other) else other
    gap = 1  # more than two, or NaN: sort (Shell's way) and find the longest run
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            value, j = window[i], i
            while j >= gap and _less(value, window[j - gap]):
                window[j] = window[j - gap]
                j -= gap
            window[j] = value
        gap //= 3
    best, best_run, run = window[0], 1, 1
    for i in range(1, n):
        run = 1 if _less(window[i - 1], window[i]) else run + 1
        if run > best_run:
            best, best_run = window[i], run
    return best


@_jit
def _weigh(flat: Any, starts: Any, taps: Any, relative: bool | None, into: Any) -> None:
    """Set `into[x]` to the sum of `taps[j] * flat[starts[j] + x]`; taps are symmetric and summed in pairs."""
    k, n = taps.shape[0], into.shape[0]
    if relative is not None:  # relative to the middle, so that constants and ramps of float64 are exact to the last bit
        for x in range(n):
            low, high = flat[starts[(k - 1) // 2] + x], flat[starts[k // 2] + x]
            base = low + (high - low) / 2
            if not np.isfinite(base):
                base = np.float64(0.0)
            total = taps[k // 2] * (high - base) if k % 2 else 0.0
            for j in range(k // 2):
                total += taps[j] * ((flat[starts[j] + x] - base) + (flat[starts[k - 1 - j] + x] - base))
            into[x] = base + total
            if not np.isfinite(into[x]):  # unless the pixels are not, a difference was too large for float64
                total = taps[k // 2] * high if k % 2 else 0.0
                for j in range(k // 2):
                    total += taps[j] * flat[starts[j] + x] + taps[j] * flat[starts[k - 1 - j] + x]
                into[x] = total
        return
    middle = flat[starts[k // 2] :]
    if k % 2:
        for x in range(n):
            into[x] = taps[k // 2] * np.float64(middle[x])
    else:
        into[:] = 0.0
    for j in range(k // 2):
        a, b, tap = flat[starts[j] :], flat[starts[k - 1 - j] :], taps[j]
        for x in range(n):
            into[x] += tap * (np.float64(a[x]) + np.float64(b[x]))


@_jit
def linear(
    block: Any,
    iz: Any,
    tz: Any,
    iy: Any,
    ty: Any,
    x0: int,
    fx: int,
    tx: Any,
    relative: bool | None,
    low: float,
    high: float,
    out: Any,
) -> None:
    """Filter with symmetric taps and decimate, z then y then x, in float64, row by row.

    iz, iy: for each output sample the pixels of the block under its taps, shape (samples, taps), borders replicated.
    tz, ty, tx: taps per axis. x0: column of the block under the first tap of the first sample (below zero: replicate).
    relative: True for float64, None for the rest (numba leaves out the branches of a None).
    low, high: range of an integer result, which is rounded half to even; low > high: the result is a float.
    """
    nx, kx, ky = out.shape[3], tx.shape[0], ty.shape[0]
    width = block.shape[3]
    flat = block.ravel()
    slab = np.empty(ky * width)  # the z-filtered rows that the current window of y sees, a ring
    have = np.empty(ky, np.int64)  # which y each row of the ring holds
    under_z, under_y, under_x = np.empty(tz.shape[0], np.int64), np.empty(ky, np.int64), np.empty(kx, np.int64)
    column = np.empty(width)
    phase = nx + kx // fx + 1  # padded columns, dealt out to fx rows, so that each tap reads neighbours
    phases = np.empty(fx * phase)
    for j in range(kx):
        under_x[j] = (j % fx) * phase + j // fx
    result = np.empty(nx)
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            have[:] = -1
            for y in range(out.shape[2]):
                for j in range(ky):
                    yy = iy[y, j]
                    slot = yy % ky
                    under_y[j] = slot * width
                    if have[slot] != yy:
                        for i in range(tz.shape[0]):
                            under_z[i] = ((r * block.shape[1] + iz[z, i]) * block.shape[2] + yy) * width
                        _weigh(flat, under_z, tz, relative, slab[slot * width : (slot + 1) * width])
                        have[slot] = yy
                _weigh(slab, under_y, ty, relative, column)
                for p in range(fx):
                    row = phases[p * phase : (p + 1) * phase]
                    for x in range(phase):
                        row[x] = column[min(max(x0 + p + x * fx, 0), width - 1)]
                _weigh(phases, under_x, tx, relative, result)
                target = out[r, z, y]
                if low > high:
                    for x in range(nx):
                        target[x] = result[x]
                else:
                    for x in range(nx):
                        target[x] = min(max(np.rint(result[x]), low), high)


@_jit
def linear_wide(
    block: Any, iz: Any, tz: Any, iy: Any, ty: Any, ix: Any, tx: Any, flip: Any, low: Any, high: Any, out: Any
) -> None:
    """Filter and decimate 64-bit integers given as uint64, the windows with a pixel outside of [low, high] only.

    Each window is weighed relative to its middle pixel: differences are exact to 53 bits, so that a constant of any
    size stays itself.

    flip: 0, or the sign bit where the pixels are int64: it maps them to uint64 in the same order, as `low` and `high`.
    """
    zero, one, top = np.uint64(0), np.uint64(1), ~np.uint64(0)
    for r in range(out.shape[0]):
        for z in range(out.shape[1]):
            for y in range(out.shape[2]):
                for x in range(out.shape[3]):
                    wide = False
                    for a in range(tz.shape[0]):
                        for b in range(ty.shape[0]):
                            for c in range(tx.shape[0]):
                                value = block[r, iz[z, a], iy[y, b], ix[x, c]] ^ flip
                                wide |= value < low or value > high
                    if not wide:
                        continue
                    base = block[r, iz[z, tz.shape[0] // 2], iy[y, ty.shape[0] // 2], ix[x, tx.shape[0] // 2]] ^ flip
                    total = 0.0
                    for a in range(tz.shape[0]):
                        for b in range(ty.shape[0]):
                            for c in range(tx.shape[0]):
                                value = block[r, iz[z, a], iy[y, b], ix[x, c]] ^ flip
                                weight = tz[a] * ty[b] * tx[c]
                                if value >= base:
                                    total += weight * np.float64(value - base)
                                else:
                                    total -= weight * np.float64(base - value)
                    step = np.floor(abs(total))
                    part = abs(total) - step
                    if part > 0.5 or (part == 0.5 and (base + np.uint64(step)) & one):
                        step += 1  # half to even counts from zero, not from the middle pixel
                    if total >= 0:
                        room = top - base
                        base = top if step >= np.float64(room) else base + np.uint64(step)
                    else:
                        base = zero if step >= np.float64(base) else base - np.uint64(step)
                    out[r, z, y, x] = base ^ flip
