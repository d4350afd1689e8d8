#!/bin/bash
# test_data_source_numpy.sh DUMP: skipped where the environment of scripts/venv.sh is not there.
python=$LK_SOURCE/.venv/bin/python
"$python" -c 'import numpy, h5py' 2>/dev/null || exit 77
exec "$python" "$LK_SOURCE/tests/unit/test_data_source_numpy.py" "$1"
