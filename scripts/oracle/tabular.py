"""scikit-learn's gradient boosting on the split of a file of data/tabular: tabular.py FILE.h5

Prints R2 (regression) or accuracy (classes) on the test split. NaN and -1, a word unseen in training, are missing to it.
"""
import sys

import h5py
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

file = h5py.File(sys.argv[1])
classes = "class_names" in file["train"].attrs
kinds = [k.decode() if isinstance(k, bytes) else k for k in file["train"].attrs["kinds"]]
model = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(
    categorical_features=[i for i, k in enumerate(kinds) if k == "categorical"], max_iter=500, random_state=1,
    early_stopping=classes)
model.fit(file["train/x"][()], file["train/y"][()].ravel())
print(f"{'accuracy' if classes else 'R2'} {model.score(file['test/x'][()], file['test/y'][()].ravel()):.4f}")
