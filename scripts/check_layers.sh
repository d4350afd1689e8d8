#!/bin/bash
# check_layers.sh [TREE]: every #include of src/ and include/ against scripts/layers.txt. One line for each that is not allowed.
cd "${1:-$(dirname "$0")/..}" || exit 2
awk '
FILENAME ~ /layers.txt$/ {
    if ($1 == "" || $1 ~ /^#/) next
    level[$1] = $2; foreign[$1] = "," $3 ","; may[$1] = "," $4 ",core," $1 ","
    n = split($3, part, ","); for (i = 1; i <= n; i++) if (part[i] != "-") special[part[i]] = 1
    next
}
/^ *# *include/ {
    file = FILENAME; split(file, path, "/"); name = $0
    sub(/^ *# *include *[<"]/, "", name); sub(/[>"].*/, "", name)
    if (path[1] == "include") {
        if (name ~ /\// && name !~ /^lockstep\//) bad(file, name, "public headers include public headers only")
        if (name ~ /^(mpi|hdf5|cblas)\.h$/ && file !~ /lockstep\/mpi\.h$/) bad(file, name, "foreign header in a public header")
        next
    }
    module = path[2]
    if (!(module in level)) { bad(file, name, "the folder is not in scripts/layers.txt"); next }
    if (name ~ /^lockstep\//) next
    for (header in special)
        if (index(name, header) == 1 && index(foreign[module], "," header ",") == 0) bad(file, name, "not a foreign header of " module)
    if (name ~ /\//) {
        split(name, part, "/"); to = part[1]
        if (to in level && index(may[module], "," to ",") == 0) bad(file, name, module " may not include " to)
        if (to in level && name ~ /_internal\.h$/ && to != module) bad(file, name, "internal to " to)
        if (module == "cli" && to in level) bad(file, name, "cli includes lockstep/ and nothing else of ours")
    }
}
function bad(file, name, why) { print file ": #include " name ": " why; failed = 1 }
END { exit failed }
' scripts/layers.txt $(find src include -name '*.[ch]' -o -name '*.inc' | sort)
