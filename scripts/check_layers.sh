#!/bin/bash
# check_layers.sh [TREE]: every #include of src/ and include/ against scripts/layers.txt. One line for each that is not allowed.
cd "${1:-$(dirname "$0")/..}" || exit 2
mapfile -t files < <(find src include \( -name '*.[ch]' -o -name '*.inc' \) | sort)
[ ${#files[@]} -gt 0 ] || { echo "no sources below $PWD"; exit 2; }
awk '
FILENAME ~ /layers.txt$/ {
    if ($1 == "" || $1 ~ /^#/) next
    level[$1] = $2; foreign[$1] = "," $3 ","; may[$1] = "," $4 ",core," $1 ","
    n = split($3, part, ","); for (i = 1; i <= n; i++) if (part[i] != "-") special[part[i]] = 1
    next
}
/^ *# *include/ {
    if (!table_held) hold_table()
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
    if (name ~ /^\.\.?\//) bad(file, name, "headers are named from src/")
    if (name ~ /\//) {
        split(name, part, "/"); to = part[1]
        if (!(to in level) || to == module) next
        if (module == "cli") bad(file, name, "cli includes lockstep/ and nothing else of ours")
        else if (index(may[module], "," to ",") == 0) bad(file, name, module " may not include " to)
        if (name ~ /_internal\.h$/) bad(file, name, "internal to " to)
    }
}
# An include points down: the table itself is held to the levels it states.
function hold_table(    from, part, i, n) {
    table_held = 1
    for (from in may) {
        n = split(may[from], part, ",")
        for (i = 1; i <= n; i++)
            if (part[i] != "" && part[i] != "-" && part[i] != from && !(part[i] in level && level[part[i]] < level[from]))
                bad("scripts/layers.txt", part[i], from " is not above it")
    }
}
function bad(file, name, why) { print file ": #include " name ": " why; failed = 1 }
END { exit failed }
' scripts/layers.txt "${files[@]}"
