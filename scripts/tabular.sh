#!/bin/bash
# tabular.sh [DIAMONDS.csv TITANIC.csv]: makes data/tabular/{diamonds,titanic}.{csv,h5}. Without files it takes both from Debian's
# R packages (r-cran-ggplot2, r-cran-cardata), which it installs as root.
set -euo pipefail
cd "$(dirname "$0")/.."
lockstep=${LOCKSTEP:-build/lockstep}
folder=data/tabular
if [ $# = 2 ]; then
    cp "$1" $folder/diamonds.csv
    cp "$2" $folder/titanic.csv
elif [ ! -f $folder/diamonds.csv ] || [ ! -f $folder/titanic.csv ]; then
    if ! command -v Rscript >/dev/null || ! Rscript -e 'quit(status = !(requireNamespace("ggplot2") && requireNamespace("carData")))' \
        >/dev/null 2>&1; then
        [ "$(id -u)" = 0 ] || { echo "tabular.sh: as root: apt-get install r-cran-ggplot2 r-cran-cardata" >&2; exit 1; }
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-cran-ggplot2 r-cran-cardata >/dev/null
    fi
    # log_price: prices span three orders of magnitude.
    Rscript -e 'd <- as.data.frame(ggplot2::diamonds); d$log_price <- log(d$price); d$price <- NULL' \
        -e "write.csv(d, '$folder/diamonds.csv', row.names = FALSE)" \
        -e 't <- carData::TitanicSurvival; t$title <- sub(".*, *(the )?([A-Za-z]+)[.].*", "\\2", rownames(t))' \
        -e "write.csv(t, '$folder/titanic.csv', row.names = FALSE, na = '')" # title: Mr, Miss, Capt ..., out of the name
fi
rm -f $folder/diamonds.h5 $folder/titanic.h5
"$lockstep" data import csv $folder/diamonds.csv --target log_price --validation 0.1 --test 0.2 --seed 1 -o $folder/diamonds.h5
"$lockstep" data import csv $folder/titanic.csv --target survived --validation 0.15 --test 0.3 --seed 1 -o $folder/titanic.h5
