package main

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tabard.dev/engine/engine"
)

// registry assigns handles to Go values, which C can't point to. A handle is never reused.
type registry[T any] struct {
	mu    sync.RWMutex
	next  uint64
	items map[uint64]T
}

func (r *registry[T]) add(item T) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.items == nil {
		r.items = map[uint64]T{}
	}
	r.next++
	r.items[r.next] = item
	return r.next
}

func (r *registry[T]) get(number uint64) (T, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	item, found := r.items[number]
	return item, found
}

func (r *registry[T]) remove(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.items, number)
}

var (
	pools     registry[*pool]
	policies  registry[*activePolicy]
	jobs      registry[*job]
	mailboxes registry[*mailbox]
)

// pool bounds how many evaluations run at once.
type pool struct {
	limit     int64
	heapLimit uint64
	inFlight  atomic.Int64
	stuck     atomic.Int64 // evaluations that run on long after their deadline, in a builtin that OPA can't interrupt
	everStuck atomic.Int64
	asked     atomic.Int64 // evaluations that were asked for
	// remembered counts those of them that a remembered answer answered.
	remembered atomic.Int64
}

func newPool(limit int64, heapLimit uint64) *pool { return &pool{limit: limit, heapLimit: heapLimit} }

func (p *pool) enter() bool {
	if p.inFlight.Add(1) > p.limit {
		p.inFlight.Add(-1)
		return false
	}
	return true
}

func (p *pool) leave() { p.inFlight.Add(-1) }

// replace counts a stuck evaluation and gives its place to others. It tells whether it did: at most limit places are
// replaced, so at most twice the limit of evaluations exist.
func (p *pool) replace() bool {
	p.everStuck.Add(1)
	if p.stuck.Add(1) > p.limit {
		return false
	}
	p.leave()
	return true
}

type activePolicy struct {
	policy *engine.Policy
	pool   *pool
	// Evaluations that occupied their caller longer than overlong, and until when others start on a goroutine for that.
	overstays    atomic.Int64
	patientUntil atomic.Int64 // Unix nanoseconds
}

const (
	// overlong is a time of the thread that no step of a swift policy takes.
	overlong = 50 * time.Millisecond
	// penance is how long evaluations start on a goroutine after one that was overlong; it doubles each time.
	penance     = time.Minute
	maxOverstay = 10
)

// mayHold tells whether an evaluation may begin on its caller's thread.
func (a *activePolicy) mayHold(now time.Time) bool {
	return a.policy.Swift() && (a.overstays.Load() == 0 || now.UnixNano() > a.patientUntil.Load())
}

// held notes how long an evaluation has occupied its caller. What is known to be short is watched all the same, because the
// caller is an event loop. The thread's own time counts: a busy machine says nothing of a policy.
func (a *activePolicy) held(since time.Time, used time.Duration) {
	now := time.Now()
	if now.Sub(since) < overlong || engine.ThreadTime()-used < overlong {
		return
	}
	times := min(a.overstays.Add(1), maxOverstay)
	a.patientUntil.Store(now.Add(penance << (times - 1)).UnixNano())
}

// admit finds the policy and takes a place among the evaluations in flight.
func admit(handle uint64) (*activePolicy, *engine.Failure) {
	active, found := policies.get(handle)
	if !found {
		return nil, &engine.Failure{Code: engine.CodeClosed, Message: "the policy is closed"}
	}
	if !active.pool.enter() {
		message := fmt.Sprintf("%d evaluations are in flight, which is the limit", active.pool.limit)
		return nil, &engine.Failure{Code: engine.CodeOverloaded, Message: message}
	}
	return active, nil
}

// owner says who receives a job's result.
type owner int

const (
	waiter    owner = iota // a thread that blocks on done
	mailed                 // the mailbox
	discarded              // the result was delivered, or isn't wanted any more
)

// job is one evaluation on its own goroutine. Its end, its watchdog and its abandonment may race; the first one settles it.
type job struct {
	ticket   uint64
	stop     engine.Ticket
	box      *mailbox
	done     chan struct{}
	pool     *pool
	watchdog *time.Timer
	warden   *time.Timer

	mu       sync.Mutex
	settled  bool
	owner    owner
	result   engine.Result
	ended    bool // the goroutine is at its end
	stuck    bool
	replaced bool // others have the place already
}

// start runs work in the background. If held, the caller will call waitFor; otherwise the result goes to the mailbox or,
// without a mailbox, is kept until tabard_wait.
func start(
	active *activePolicy, limits engine.Limits, box uint64, held bool, work func(*engine.Ticket) engine.Result,
) *job {
	j := &job{done: make(chan struct{}), pool: active.pool}
	if j.box, _ = mailboxes.get(box); j.box != nil && !held {
		j.owner = mailed
	}
	j.ticket = jobs.add(j)
	// A builtin that is never polled can outlast the deadline. Its caller is answered in time all the same; its place
	// among the evaluations in flight is replaced if it doesn't end soon.
	// The lock makes settle wait until watchdog is set: the timer may fire before AfterFunc has returned.
	j.mu.Lock()
	left := time.Until(limits.Deadline)
	j.warden = time.AfterFunc(max(left, 0)+stuckAfter, j.markStuck)
	j.watchdog = time.AfterFunc(left+watchdogGrace, func() {
		j.stop.Abandon()
		j.settle(engine.Result{Failure: j.stop.TimedOut()})
	})
	j.mu.Unlock()
	go func() {
		result := engine.Result{Failure: &engine.Failure{Code: engine.CodeInternal, Message: "the engine failed"}}
		defer func() {
			if cause := recover(); cause != nil {
				result.Failure.Message = fmt.Sprintf("the engine failed: %v", cause)
			}
			j.end()
			j.settle(result)
		}()
		result = work(&j.stop)
	}()
	return j
}

const (
	// watchdogGrace is the time in which an evaluation that polls can report its end itself.
	watchdogGrace = 5 * time.Millisecond
	// stuckAfter is the time after its deadline from which on an evaluation counts as stuck. One that polls ends much
	// sooner, also on a busy machine.
	stuckAfter = 500 * time.Millisecond
)

func (j *job) markStuck() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended {
		j.stuck, j.replaced = true, j.pool.replace()
	}
}

// end gives the place back, unless others have it already.
func (j *job) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	j.warden.Stop()
	if j.stuck {
		j.pool.stuck.Add(-1)
	}
	if !j.replaced {
		j.pool.leave()
	}
}

func (j *job) settle(result engine.Result) {
	j.mu.Lock()
	if j.settled {
		j.mu.Unlock()
		return
	}
	j.settled, j.result = true, result
	mail := j.owner == mailed
	if mail {
		j.owner = discarded
	}
	close(j.done)
	j.mu.Unlock()
	j.watchdog.Stop()
	if mail {
		jobs.remove(j.ticket)
		j.box.put(j)
	}
}

// waitFor waits briefly and tells whether the job is done; if not, its result will go to the mailbox.
func (j *job) waitFor(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-j.done:
	case <-timer.C:
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.settled {
		j.owner = discarded
		jobs.remove(j.ticket)
		return true
	}
	if j.box != nil {
		j.owner = mailed
	}
	return false
}

func (j *job) abandon() {
	j.stop.Abandon()
	j.mu.Lock()
	j.owner = discarded
	j.mu.Unlock()
	jobs.remove(j.ticket)
}

// mailbox collects finished jobs for one reader and signals its eventfd when it is no longer empty.
type mailbox struct {
	mu         sync.Mutex
	descriptor int
	closed     bool
	finished   []*job
}

func (m *mailbox) put(j *job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.finished = append(m.finished, j)
	if len(m.finished) == 1 {
		m.ring()
	}
}

func (m *mailbox) ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := syscall.Write(m.descriptor, one[:]); err != syscall.EINTR {
			return
		}
	}
}

func (m *mailbox) take(room int) []*job {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := min(room, len(m.finished))
	taken := m.finished[:count:count]
	m.finished = m.finished[count:]
	if len(m.finished) > 0 {
		m.ring()
	} else {
		m.finished = nil
	}
	return taken
}

// close makes sure that the descriptor isn't written to again, because its number may be reused.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.finished = nil
}
