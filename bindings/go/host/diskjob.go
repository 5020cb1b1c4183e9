package host

import (
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
)

// diskJob is what a ready has for the disk. The records are in the log's buffer already; a
// single write takes the whole buffer.
type diskJob struct {
	number  uint64 // of the ready; 0: no ready
	flush   bool
	after   []afterMessage // messages that may leave once the ready is durable
	frames  []byte
	restore *restoreJob
	then    func() error // runs once everything is durable, in the goroutine of the disk
}

type afterMessage struct {
	peer *peer
	end  int // end of the frame in frames
}

func (j *diskJob) add(p *peer, m *raftcore.MessageView) {
	if p == nil {
		return
	}
	j.frames = m.AppendFrame(j.frames)
	j.after = append(j.after, afterMessage{p, len(j.frames)})
}

// send sends the messages. A full outbox loses messages; the core sends again.
func (j *diskJob) send() {
	at := 0
	for _, m := range j.after {
		m.peer.box.addBytes(j.frames[at:m.end])
		at = m.end
	}
}

// After idleTime without a write, a mark says that the last batches are durable.
const idleTime = 100 * time.Millisecond

// runDisk is the writing and flushing goroutine. A flush covers all waiting jobs.
func (h *Host) runDisk() {
	defer h.wg.Done()
	mark := time.AfterFunc(time.Hour, func() { h.disks.put(diskJob{flush: true, then: h.store.Mark}) })
	defer mark.Stop()
	for {
		jobs, ok := h.disks.take()
		if !ok {
			return
		}
		if err := h.write(jobs); err != nil {
			h.fail(err)
			return
		}
		if jobs[len(jobs)-1].number > 0 {
			mark.Reset(idleTime)
		}
	}
}

func (h *Host) write(jobs []diskJob) error {
	flush := false
	for i := range jobs {
		flush = flush || jobs[i].flush
	}
	begin := time.Now()
	if err := h.store.Sync(flush); err != nil {
		return err
	}
	if flush {
		h.metrics.flushes.Add(1)
		h.metrics.flushSeconds.since(begin)
	}
	number := uint64(0)
	for i := range jobs {
		job := &jobs[i]
		if job.restore != nil {
			select {
			case err := <-job.restore.done:
				if err != nil {
					return err
				}
			case <-h.done:
				return nil
			}
		}
		job.send()
		if job.then != nil {
			if err := job.then(); err != nil {
				return err
			}
		}
		number = max(number, job.number)
	}
	if number > 0 {
		h.inbox.setPersisted(number)
	}
	return nil
}

// retire removes what the log and the newest snapshot no longer need.
func (h *Host) retire(index, term uint64) error {
	if err := h.store.Trim(); err != nil {
		return err
	}
	return h.dir.RemoveSnapshots(disk.SnapshotName(index, term), index)
}
