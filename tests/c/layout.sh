#!/bin/sh
# layout.sh HEADER LAYOUT.c LAYOUT.rs: each struct of the header is asserted in both, each of its fields in layout.c. (In layout.rs a
# field that is left out is an error while compiling.)
set -eu
awk '
    FILENAME != ARGV[3] { proven[$0] = 1; next }
    comment { comment = !index($0, "*/"); next }
    (at = index($0, "/*")) { comment = !index($0, "*/"); $0 = substr($0, 1, at - 1) }
    /^typedef struct raftcore_[a-z_]* \{/ { name = $3; structs++; want("SIZE(" name ","); want("    " name ", "); next }
    /^}/ { name = "" }
    /^            / { next }  # a comment goes on
    name != "" && match($0, /[a-z_0-9]+;/) { fields++; want("AT(" name ", " substr($0, RSTART, RLENGTH - 1) ",") }
    function want(start,    line) {
        for (line in proven) if (index(line, start) == 1) return
        print "not asserted: " start; bad = 1
    }
    END {
        if (structs < 15 || fields < 150) { print "only " structs " structs with " fields " fields found"; bad = 1 }
        exit bad
    }' "$2" "$3" "$1"
