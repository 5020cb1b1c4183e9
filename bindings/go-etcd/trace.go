// Names of etcd's raft for traces of a TLA+ model. This module writes no traces.

package raft

// StateTraceDeployed reports whether state transitions are traced: never.
const StateTraceDeployed = false

// TraceLogger would take traces.
type TraceLogger interface{}

// TracingEvent would be a state transition.
type TracingEvent struct{}
