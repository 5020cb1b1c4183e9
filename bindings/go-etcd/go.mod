module go.etcd.io/raft/v3

go 1.24

require (
	google.golang.org/protobuf v1.36.11
	raftcore.example/go v0.0.0
)

// A program that uses this module needs the same line, and one for go.etcd.io/raft/v3: see README.md.
replace raftcore.example/go => ../go
