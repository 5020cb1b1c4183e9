package host

import "sync"

// queue passes jobs to a goroutine, which takes all waiting jobs at once.
type queue[T any] struct {
	mu     sync.Mutex
	some   sync.Cond
	jobs   []T
	spare  []T
	closed bool
}

func newQueue[T any]() *queue[T] {
	q := &queue[T]{}
	q.some.L = &q.mu
	return q
}

// put appends a job. false: the queue is closed.
func (q *queue[T]) put(job T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.jobs = append(q.jobs, job)
	q.some.Signal()
	return true
}

// take waits for jobs. The jobs are valid until the next take. false: the queue is closed.
func (q *queue[T]) take() ([]T, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && !q.closed {
		q.some.Wait()
	}
	if q.closed {
		return nil, false
	}
	jobs := q.jobs
	clear(q.spare)
	q.jobs, q.spare = q.spare[:0], jobs
	return jobs, true
}

func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
}
