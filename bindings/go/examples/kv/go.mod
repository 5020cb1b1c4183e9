module raftcore.example/go/examples/kv

go 1.26

require (
	go.etcd.io/bbolt v1.5.0
	raftcore.example/go v0.0.0
)

require golang.org/x/sys v0.45.0 // indirect

replace raftcore.example/go => ../..
