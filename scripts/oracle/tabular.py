"""R2 of scikit-learn's gradient boosting on the split of data/tabular/diamonds.h5: tabular.py DIAMONDS.h5"""
import sys

import h5py
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score

file = h5py.File(sys.argv[1])
kinds = [k.decode() if isinstance(k, bytes) else k for k in file["train"].attrs["kinds"]]
model = HistGradientBoostingRegressor(categorical_features=[i for i, k in enumerate(kinds) if k == "categorical"],
                                      max_iter=500, random_state=1)
model.fit(file["train/x"][()], file["train/y"][()].ravel())
print(f"R2 {r2_score(file['test/y'][()].ravel(), model.predict(file['test/x'][()])):.4f}")
