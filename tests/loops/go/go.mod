module raftcore.example/loops

go 1.26

require raftcore.example/go v0.0.0

replace raftcore.example/go => ../../../bindings/go
