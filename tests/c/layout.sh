#!/bin/sh
# layout.sh HEADER LAYOUT: each struct of the header, and each of its fields, is asserted in layout.c.
set -eu
awk '
    FNR == NR { proven[$0] = 1; next }
    /^typedef struct raftcore_[a-z_]* \{/ { name = $3; structs++; want("SIZE(" name ",") ; next }
    /^}/ { name = "" }
    name != "" && match($0, /[a-z_0-9]+;/) { fields++; want("AT(" name ", " substr($0, RSTART, RLENGTH - 1) ",") }
    function want(start,    line) {
        for (line in proven) if (index(line, start) == 1) return
        print "layout.c does not assert " start "…)"; bad = 1
    }
    END {
        if (structs < 15 || fields < 150) { print "only " structs " structs with " fields " fields found"; bad = 1 }
        exit bad
    }' "$2" "$1"
