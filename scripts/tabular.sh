#!/bin/bash
# tabular.sh [DIAMONDS.csv BIOPSY.csv]: makes data/tabular/{diamonds,biopsy}.{csv,h5}. Without files it takes both from Debian's
# R packages (r-cran-ggplot2, r-cran-mass), which it installs as root.
set -euo pipefail
cd "$(dirname "$0")/.."
lockstep=${LOCKSTEP:-build/lockstep}
folder=data/tabular
if [ $# = 2 ]; then
    cp "$1" $folder/diamonds.csv
    cp "$2" $folder/biopsy.csv
elif [ ! -f $folder/diamonds.csv ] || [ ! -f $folder/biopsy.csv ]; then
    if ! command -v Rscript >/dev/null || ! Rscript -e 'quit(status = !(requireNamespace("ggplot2") && requireNamespace("MASS")))' \
        >/dev/null 2>&1; then
        [ "$(id -u)" = 0 ] || { echo "tabular.sh: as root: apt-get install r-cran-ggplot2 r-cran-mass" >&2; exit 1; }
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-cran-ggplot2 r-cran-mass >/dev/null
    fi
    # log_price: prices span three orders of magnitude.
    Rscript -e 'd <- as.data.frame(ggplot2::diamonds); d$log_price <- log(d$price); d$price <- NULL' \
        -e "write.csv(d, '$folder/diamonds.csv', row.names = FALSE)" \
        -e 'b <- MASS::biopsy; b$ID <- NULL' -e "write.csv(b, '$folder/biopsy.csv', row.names = FALSE)"
fi
"$lockstep" data import csv $folder/diamonds.csv --target log_price --validation 0.1 --test 0.2 --seed 1 -o $folder/diamonds.h5
"$lockstep" data import csv $folder/biopsy.csv --target class --validation 0.15 --test 0.3 --seed 1 -o $folder/biopsy.h5
