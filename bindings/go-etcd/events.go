// Events of the core become lines of the log.

package raft

import "raftcore.example/go"

// drainEvents logs what has happened.
func (e *engine) drainEvents() {
	for {
		event, ok, err := e.core.NextEvent()
		if err != nil || !ok {
			return
		}
		e.logEvent(event)
	}
}

func (e *engine) logEvent(event raftcore.Event) {
	switch event.Kind {
	case raftcore.EventBecameFollower:
		e.logger.Infof("%x became follower at term %d", e.id, event.Term)
	case raftcore.EventBecamePreCandidate:
		e.logger.Infof("%x became pre-candidate at term %d", e.id, event.Term)
	case raftcore.EventBecameCandidate:
		e.logger.Infof("%x became candidate at term %d", e.id, event.Term)
	case raftcore.EventBecameLeader:
		e.logger.Infof("%x became leader at term %d", e.id, event.Term)
	case raftcore.EventAlarm, raftcore.EventPoisoned:
		e.logger.Errorf("raft: %x: %v", e.id, event)
	case raftcore.EventNoLeaderLong, raftcore.EventRepaired, raftcore.EventApplyWaits, raftcore.EventMessageLost,
		raftcore.EventCampaignRefused, raftcore.EventPaused:
		e.logger.Warningf("raft: %x: %v", e.id, event)
	case raftcore.EventConfApplied, raftcore.EventSnapshotRestored, raftcore.EventSnapshotSent, raftcore.EventSnapshotEnded,
		raftcore.EventTransferStarted, raftcore.EventTransferEnded, raftcore.EventTruncated, raftcore.EventProposalRefused:
		e.logger.Infof("raft: %x: %v", e.id, event)
	default:
		e.logger.Debugf("raft: %x: %v", e.id, event)
	}
}

// showLeader logs who leads. Tools and tests look for these lines.
func (e *engine) showLeader(lead, term uint64) {
	switch {
	case lead == e.lead:
		return
	case lead == None:
		e.logger.Infof("raft.node: %x lost leader %x at term %d", e.id, e.lead, term)
	case e.lead == None:
		e.logger.Infof("raft.node: %x elected leader %x at term %d", e.id, lead, term)
	default:
		e.logger.Infof("raft.node: %x changed leader from %x to %x at term %d", e.id, e.lead, lead, term)
	}
	e.lead = lead
}
