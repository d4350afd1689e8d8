#!/usr/bin/env python3
"""Makes tests/golden/*.h5 with PyTorch: make.py [DIR]. Environment: scripts/venv.sh. Twice the same bytes.

What it writes is committed; run it when a case is added. Everything is computed in double and stored as float, so that
a test's tolerance is about Lockstep's rounding alone.
"""
import pathlib
import sys

import h5py
import numpy
import torch

import curves
import layers

TREE = pathlib.Path(__file__).resolve().parents[2]


def write(path, groups):
    """groups: {name: {dataset: array}}; integers become int32, everything else float32."""
    with h5py.File(path, "w", track_order=False) as file:
        for group, arrays in groups.items():
            for name, array in arrays.items():
                array = numpy.asarray(array)
                kind = numpy.int32 if array.dtype.kind in "iu" else numpy.float32
                file.create_dataset(f"{group}/{name}", data=array.astype(kind), track_times=False)
    print(path, path.stat().st_size, "bytes")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TREE / "tests" / "golden"
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    write(folder / "layers.h5", layers.all_cases())
    write(folder / "curves.h5", curves.all_curves())


if __name__ == "__main__":
    main()
