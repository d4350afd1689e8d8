"""test_data_source_numpy.py DUMP: files in every layout, written by h5py, read by h5py with numpy and by DUMP.

Rows must agree bit for bit (normalise none, unit), or to 2e-7 with statistics (the sums have another order).
"""
import itertools
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

N, H, W, C = 61, 6, 5, 3
TYPES = ["u1", "<i2", ">i2", "<f4", ">f4", "<f8", ">f8", "<f2", ">f2"]
STORAGE = {
    "contiguous": {},
    "chunked": {"chunks": True},
    "packed": {"compression": "gzip", "shuffle": True},
}


def write(path, rows, labels, kind, order, storage):
    with h5py.File(path, "w") as f:
        f["y"] = labels
        if order == "stacked":
            for c in range(C):
                f.create_dataset(f"c{c}", data=rows[..., c].astype(kind), **storage)
        else:
            x = rows if order == "hwc" else rows.transpose(0, 3, 1, 2)
            f.create_dataset("x", data=x.astype(kind), **storage)


def read(paths, order):
    xs, ys = [], []
    for path in sorted(paths):
        with h5py.File(path) as f:
            ys.append(f["y"][:])
            if order == "stacked":
                xs.append(np.stack([f[f"c{c}"][:] for c in range(C)], axis=-1))
            else:
                x = f["x"][:]
                xs.append(x if order == "hwc" else x.transpose(0, 2, 3, 1))
    return np.concatenate(xs).astype("f8"), np.concatenate(ys).astype("i4")


def main(dump):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, size=(N, H, W, C)).astype("f8")
    labels = rng.integers(0, 7, size=N).astype("u1")
    labels[0] = 6
    axes = {"hwc": "-", "chw": "NCHW", "stacked": "NHW"}
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for kind, order, name, files in itertools.product(TYPES, axes, STORAGE, (1, 7)):
            values = rows if kind == "u1" else rows / 2 - 60 if "i" in kind else rows * 1.3 - 60
            cuts = np.array_split(np.arange(N), files)
            paths = [f"part_{i}.h5" for i in range(files)]
            for path, cut in zip(paths, cuts):
                write(path, values[cut], labels[cut], kind, order, STORAGE[name])
            raw, y = read(paths, order)
            datasets = "/c0,/c1,/c2" if order == "stacked" else "/x"
            # wider integers that nobody normalises are indices: pictures of them have statistics
            normalise = ["standard"] + (["unit"] if kind == "u1" else []) + (["none"] if "i" not in kind else [])
            for how in normalise:
                subprocess.run([dump, "out.bin", axes[order], how, datasets, *paths], check=True)
                got = np.fromfile("out.bin", dtype="<i4")
                x = got[: N * H * W * C].view("<f4").reshape(N, H, W, C)
                assert np.array_equal(got[N * H * W * C :], y), (kind, order, name, files, how, "labels")
                if how == "standard":
                    flat = raw.reshape(-1, C)
                    want = ((raw - flat.mean(0)) / flat.std(0)).astype("f4")
                    good = np.allclose(x, want, rtol=2e-7, atol=1e-8)
                else:
                    want = (raw / 255 if how == "unit" else raw).astype("f4")
                    good = x.tobytes() == want.tobytes()
                assert good, (kind, order, name, files, how)
                checked += 1
            for path in paths:
                os.unlink(path)
    print(f"{checked} kinds of files agree with numpy")


main(os.path.abspath(sys.argv[1]))
