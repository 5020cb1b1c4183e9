#!/bin/sh
# exports.sh HEADER ARCHIVE SHARED: both libraries export the functions of the header, and nothing else.
set -eu
header=$1 archive=$2 shared=$3

sed -n 's/^\(raftcore_[a-z_]*\)(.*/\1/p' "$header" | sort > "$archive.declared"
[ "$(wc -l < "$archive.declared")" -gt 50 ] || { echo "$header: too few functions found"; exit 1; }

nm --defined-only --extern-only "$archive" | awk 'NF == 3 { print $3 }' | sort > "$archive.exported"
diff "$archive.declared" "$archive.exported"

nm --dynamic --defined-only "$shared" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort > "$archive.exported"
diff "$archive.declared" "$archive.exported"
nm --dynamic --defined-only "$shared" | awk '$2 != "T" && $2 != "A" { print "not a function: " $0; bad = 1 } END { exit bad }'

objdump -p "$shared" | grep -q 'SONAME *libraftcore\.so\.[0-9]*\.[0-9]*$' || { echo "$shared: no soname"; exit 1; }

# A fault planted for tests (tests/faults) is in none that is shipped: every build that has one reads this variable.
for library in "$archive" "$shared"; do
    ! grep -q RAFTCORE_FAULT "$library" || { echo "$library: built with planted faults"; exit 1; }
done
