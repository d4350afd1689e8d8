"""Rebuilds the CNN of data/fashion-mnist from its checkpoint alone and compares with `lockstep predict`: 1e-5.

    rebuild_cnn.py CHECKPOINT.h5 RAW.h5:/group PREDICTIONS.h5
"""
import sys

import h5py
import numpy as np


def conv_same(x, w, b):  # x [n, h, w, c], w [filters, kh, kw, c]
    kh, kw = w.shape[1:3]
    x = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (1, 2))  # [n, h, w, c, kh, kw]
    return np.einsum("nhwckl,fklc->nhwf", windows, w, optimize=True) + b


def pool(x):
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


checkpoint, raw, predictions = sys.argv[1:]
file = h5py.File(checkpoint)
model, x_recipe = file["model"], file["input/inputs/x"]
layer = lambda name: (model[name]["weight"][()].astype(float), model[name]["bias"][()].astype(float))
path, group = raw.split(":")
x = (h5py.File(path)[group]["x"][:200] - x_recipe["mean"][()]) / x_recipe["std"][()]
x = pool(np.maximum(conv_same(x, *layer("conv2d_1")), 0))
x = pool(np.maximum(conv_same(x, *layer("conv2d_2")), 0)).reshape(len(x), -1)
for name in ("features", "dense_1"):
    w, b = layer(name)
    x = x @ w.T + b
    x = np.maximum(x, 0) if name == "features" else x
p = np.exp(x - x.max(1, keepdims=True))
difference = np.abs(p / p.sum(1, keepdims=True) - h5py.File(predictions)["output"][:200]).max()
print(f"largest difference of {len(p)} predictions: {difference:.2g}")
sys.exit(int(difference > 1e-5))
