module raftcore.example/go/host

go 1.24

require raftcore.example/go v0.0.0

replace raftcore.example/go => ..
