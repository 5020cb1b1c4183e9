module raftcore.example/tests/interop

go 1.26

require (
	raftcore.example/go v0.0.0
	raftcore.example/go/host v0.0.0
)

replace (
	raftcore.example/go => ../../bindings/go
	raftcore.example/go/host => ../../bindings/go/host
)
