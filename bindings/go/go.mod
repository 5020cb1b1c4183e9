module raftcore.example/go

go 1.24
