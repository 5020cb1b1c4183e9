#!/bin/bash
# Three servers, a file loaded into them, the leader killed with -9 in the middle, brought back, a fourth node added to a
# cluster at work; then every acknowledged line is read back from every node.
#
#   FILE=…   a file of lines to load (default: /usr/share/dict/words, or this project's own text)
#   RATE=…   lines a second, 0: as fast as it goes (default: so that the load takes about ten seconds)
#   KEEP=1   leave the cluster up and say how to connect
#   BIN=…    where raftcore-kv and raftcore-kv-load are (default: built here by `make kv`)
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
began=$(date +%s)

die() { printf '\r\033[K%s\n' "demo: $*" >&2; exit 1; }
tty_clear=''
[ -t 1 ] && tty_clear=$'\r\033[K'
say() { printf '%s%s\n' "$tty_clear" "$*"; }

# ---- what it needs ----

need_lmdb() {
    echo '#include <lmdb.h>' | ${CC:-cc} -E - >/dev/null 2>&1 && return
    say "liblmdb-dev is missing: installing it"
    local sudo=''
    [ "$(id -u)" = 0 ] || sudo='sudo -n'
    { $sudo apt-get install -y -q liblmdb-dev || { $sudo apt-get update -q && $sudo apt-get install -y -q liblmdb-dev; }; } >/dev/null 2>&1 ||
        die "can't install it: please run  apt-get install liblmdb-dev"
}

if [ -z "${BIN:-}" ]; then
    command -v "${CC:-cc}" >/dev/null || die "a C compiler is needed: apt-get install gcc make"
    command -v cargo >/dev/null || die "cargo is needed, to build the library: https://rustup.rs"
    need_lmdb
    [ -x "$root/target/kv/raftcore-kv" ] || say "building"
    make -s -C "$root" kv >&2 || die "the build failed"
    BIN=$root/target/kv
fi
server=$BIN/raftcore-kv
load=$BIN/raftcore-kv-load
dir=$(mktemp -d) || exit 1

# ---- servers ----

declare -a pid=()

finish() {
    local status=$?
    [ -n "${KEEP:-}" ] && [ $status = 0 ] && return
    local one
    for one in "${pid[@]}"; do kill "$one" 2>/dev/null; done
    for one in "${pid[@]}"; do while kill -0 "$one" 2>/dev/null; do sleep 0.02; done; done
    [ $status = 0 ] && rm -rf "$dir" || say "the servers' logs are in $dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

free_ports() {      # $1 ports in a row that nobody listens on
    local base i
    for _ in $(seq 100); do
        base=$((20000 + RANDOM % 12000))
        for ((i = 0; i < $1; i++)); do
            (exec 3<>"/dev/tcp/127.0.0.1/$((base + i))") 2>/dev/null && continue 2
        done
        echo $base
        return
    done
    die "no free ports"
}

ports=$(free_ports 8)
client() { echo "127.0.0.1:$((ports + $1 - 1))"; }
peer() { echo "127.0.0.1:$((ports + 3 + $1))"; }
all_clients="$(client 1),$(client 2),$(client 3)"

start() {           # $1 node, further options behind
    local id=$1
    shift
    "$server" --id "$id" --dir "$dir/$id" --client "$(client "$id")" --peer "$(peer "$id")" "$@" >>"$dir/$id.log" 2>&1 &
    pid[$id]=$!
    disown
}

ask() { "$load" cmd "$(client "$1")" "${@:2}" 2>/dev/null; }
field() { ask "$1" RAFT.STATUS | tr -d '\r' | sed -n "s/^$2://p"; }
elapsed() { echo $(($(date +%s%3N) - $1)); }

wait_leader() {     # prints the leader's id and the milliseconds it took
    "$load" leader "$all_clients" ${1:+"$1"} || die "no leader was elected"
}

# ---- the file ----

file=${FILE:-/usr/share/dict/words}
if [ ! -r "$file" ]; then
    [ -z "${FILE:-}" ] || die "can't read $FILE"
    file=$dir/text
    (cd "$root" && find . \( -name .git -o -name target \) -prune -o -type f \( -name '*.md' -o -name '*.rs' -o -name '*.[ch]' -o -name '*.txt' \) -print0 |
        sort -z | xargs -0 cat) >"$file"
    name="this project's own text"
fi
lines=$(awk 'END { print NR }' "$file")
rate=${RATE:-$((lines / 10 + 1))}

# ---- what happens ----

say ''
say "three servers on loopback, disks and logs in $dir"
started=$(date +%s%3N)
start 1 --found
for id in 2 3; do start $id --join "$(peer 1)"; done
for id in 1 2 3; do until [ "$(field $id voters)" = 1,2,3 ]; do sleep 0.02; done; done
read -r leader ms < <(wait_leader)
say "  node 1 has founded a group, nodes 2 and 3 have joined it, after $(elapsed "$started") ms; node $leader leads"

say "loading $lines lines of ${name:-$file}, $([ "$rate" = 0 ] && echo 'as fast as it goes' || echo "$rate a second")"
"$load" load "$file" "$dir/acked" "$all_clients" "$rate" >"$dir/load.out" &
loading=$!

reached() {         # waits until $1 per cent are in, as node $2 sees it; the load may also be over
    local keys
    while kill -0 $loading 2>/dev/null; do
        keys=$(field "$2" keys)
        [ $((100 * ${keys:-0})) -ge $(($1 * lines)) ] && return
        sleep 0.02
    done
}

until_done() {      # a command for the leader, whoever that is by now; its first refusal is told
    local answer tries=0
    until answer=$(ask "$leader" "$@"); do
        [ $tries = 0 ] && say "  $1 $2: not yet, ${answer#* }"
        [ $((tries += 1)) -lt 1000 ] || die "$*: $answer"
        sleep 0.02
        read -r leader _ < <(wait_leader)
    done
}

other=$((leader % 3 + 1))
reached 25 $other
kill -9 "${pid[$leader]}"
killed=$leader
say "  killed node $killed, the leader, with -9"
read -r leader ms < <(wait_leader "$killed")
say "  node $leader leads, elected after $ms ms"

reached 45 "$leader"
start "$killed"
say "  node $killed is back, from its disk"

reached 60 "$leader"
joined=$(date +%s%3N)
start 4 --wait
until_done RAFT.ADD 4 "$(peer 4)" LEARNER
say "  added node 4, with an empty disk, as a learner"
until_done RAFT.PROMOTE 4
say "  node 4 has caught up and is a voter, $(elapsed "$joined") ms after its start"

wait $loading || die "the load failed: $(cat "$dir/load.out")"
say "  $(cat "$dir/load.out")"

say "reading every acknowledged line back, from every node"
lost=0
checked=0
for id in 1 2 3 4; do
    result=$("$load" verify "$file" "$dir/acked" "$(client $id)")
    [ $? -le 1 ] && [ -n "$result" ] || die "node $id could not be read"
    read -r c l <<<"$result"
    checked=$((checked + c))
    lost=$((lost + l))
done
say "  $checked reads"
say "  acknowledged writes lost: $lost"

applied=$(field "$leader" applied)
for id in 1 2 3 4; do
    until [ "$(field $id applied)" -ge "$applied" ]; do sleep 0.02; done
    hash[$id]=$(field $id data_hash)
    say "  $(printf 'node %d  %-9s %s keys  data hash %s' $id "$(field $id role)" "$(field $id keys)" "${hash[$id]}")"
done
[ "$lost" = 0 ] || die "writes were lost"
for id in 2 3 4; do [ "${hash[$id]}" = "${hash[1]}" ] || die "the data differ"; done
say "done in $(($(date +%s) - began)) s"

if [ -n "${KEEP:-}" ]; then
    say ''
    say "the cluster is up:  redis-cli -p $ports RAFT.STATUS   (nodes 1 to 4: ports $ports to $((ports + 3)))"
    say "stop it with:       kill ${pid[*]}; rm -r $dir"
fi
