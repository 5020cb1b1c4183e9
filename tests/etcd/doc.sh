#!/bin/bash
# Runs the lines of docs/etcd.md as they stand there, on a member of stock etcd that has data.
#
#   doc.sh BIN WORK     BIN/stock has etcd and etcdctl; WORK is an empty folder, or is emptied
set -eu
bin=$(realpath "$1")
RAFTCORE=$(cd "$(dirname "$0")/../.." && pwd)
export RAFTCORE PATH="$bin/stock:$PATH" GOFLAGS=-buildvcs=false
rm -rf "$2" && mkdir -p "$2" && cd "$2"

client=http://127.0.0.1:$(python3 "$RAFTCORE/tests/ports.py")
peer=http://127.0.0.1:$(python3 "$RAFTCORE/tests/ports.py")
export ETCD_LISTEN_CLIENT_URLS=$client ETCD_ADVERTISE_CLIENT_URLS=$client ETCD_LISTEN_PEER_URLS=$peer
export ETCD_INITIAL_ADVERTISE_PEER_URLS=$peer ETCD_INITIAL_CLUSTER=default=$peer ETCDCTL_ENDPOINTS=$client
export ETCD_LOG_OUTPUTS="$PWD/etcd.log"

etcd --data-dir data & MEMBER=$!
trap 'kill -9 $MEMBER' EXIT
until etcdctl endpoint health; do sleep 0.2; done
etcdctl put before stock

sed -n '/^```sh$/,/^```$/{/^```/!p}' "$RAFTCORE/docs/etcd.md" >lines.sh
[ "$(wc -l <lines.sh)" -ge 10 ]
# After each health check, a write that must be there in the end.
sed -i 's/^until etcdctl.*/&\netcdctl put "after $((++times))" written/' lines.sh
times=0
. ./lines.sh

[ "$(etcdctl get before --print-value-only)" = stock ]
for n in 1 2; do [ "$(etcdctl get "after $n" --print-value-only)" = written ]; done
grep -q 'raftcore 0\.' etcd.log # it did run on raftcore
echo "docs/etcd.md: $(wc -l <lines.sh) lines run, nothing is lost"
