// Package conformance runs the data-driven suites of etcd's raft against raftcore, through raftcore's C ABI.
//
// The scripts are read from the module cache, where they come with go.etcd.io/raft/v3; none is copied here. etcd's own core
// is not linked into any decision: the driver takes from etcd the message types and the text formatters, feeds the formatters
// with what raftcore emits, and compares texts. identifiers_test.go holds the driver to that.
//
// Only raftcore.go, raftcore_more.go and hooks.go know C. mirror.go is the host's log. cluster.go is a host for several nodes:
// storage, network, state machine. commands.go gives each script command its meaning. suite.go reads files and compares.
//
// The tests beyond the scripts, lockstep_*, mixed_* and r10_*, run etcd's nodes beside raftcore's.
package conformance
