package raft_test

// Config.AsyncStorageWrites: the log and the state machine are threads that answer by messages.

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

func TestStorageByMessages(t *testing.T) {
	storages := map[uint64]*raft.MemoryStorage{}
	nodes := map[uint64]*raft.RawNode{}
	state := map[uint64][]string{}
	peers := []raft.Peer{{ID: 1}, {ID: 2}}
	for _, peer := range peers {
		storage := raft.NewMemoryStorage()
		// Without a first Ready to store, a founder of this mode stores its membership as a snapshot.
		must(t, storage.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{Voters: []uint64{1, 2}},
			Index: proto.Uint64(1), Term: proto.Uint64(1)}}))
		must(t, storage.SetHardState(&pb.HardState{Term: proto.Uint64(1), Commit: proto.Uint64(1)}))
		node, err := raft.NewRawNode(&raft.Config{ID: peer.ID, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
			AsyncStorageWrites: true, MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 16})
		must(t, err)
		storages[peer.ID], nodes[peer.ID] = storage, node
	}

	var line []*pb.Message
	run := func() {
		for busy := true; busy; {
			busy = false
			for id := range nodes {
				for nodes[id].HasReady() {
					busy = true
					line = append(line, nodes[id].Ready().Messages...)
				}
			}
			sent := line
			line = nil
			for _, m := range sent {
				busy = true
				switch from := m.GetFrom(); m.GetTo() {
				case raft.LocalAppendThread:
					must(t, storages[from].Append(m.GetEntries()))
					if m.GetTerm() != 0 {
						must(t, storages[from].SetHardState(&pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}))
					}
					line = append(line, m.GetResponses()...)
				case raft.LocalApplyThread:
					for _, e := range m.GetEntries() {
						if len(e.GetData()) > 0 {
							state[from] = append(state[from], string(e.GetData()))
						}
					}
					line = append(line, m.GetResponses()...)
				default:
					must(t, nodes[m.GetTo()].Step(m))
				}
			}
		}
	}

	must(t, nodes[1].Campaign())
	run()
	if s := nodes[1].BasicStatus(); s.RaftState != raft.StateLeader {
		t.Fatalf("%+v", s)
	}
	must(t, nodes[1].Propose([]byte("a")))
	run()
	must(t, nodes[2].Propose([]byte("b")))
	run()
	for id := range nodes {
		if !slices.Equal(state[id], []string{"a", "b"}) {
			t.Fatalf("node %d has %q", id, state[id])
		}
	}
}
