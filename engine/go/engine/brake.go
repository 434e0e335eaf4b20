package engine

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Reasons for which a brake stops an evaluation.
const (
	running uint32 = iota
	stoppedByDeadline
	stoppedByMemory
	abandoned
	stoppedByHold
)

const (
	// pollsPerLook is how many of OPA's polls pass between two reads of the clock: a poll costs almost nothing, a read
	// about 40 ns.
	pollsPerLook = 16
	// patience is how long an evaluation runs before it yields to others at every check, and before its use of memory is
	// watched.
	patience = time.Millisecond
	// memoryInterval is the shortest time between two checks of the heap.
	memoryInterval = 2 * time.Millisecond
)

// brake is the topdown.Cancel of one evaluation. It reads the clock itself, so that an evaluation needs neither a timer
// nor a goroutine of its own. OPA polls it from the evaluating goroutine only; stop may be set from any goroutine.
type brake struct {
	stop       atomic.Uint32
	polls      uint32
	started    time.Time
	deadline   time.Time
	hold       time.Time // zero unless a caller waits with the GIL held
	nextMemory time.Time
	heapLimit  uint64 // bytes; 0 is no limit
	inLane     bool
	laneSince  time.Time
	burstSince time.Time
	begun      int64
	at         atomic.Pointer[ast.Location] // of the builtin that is running, if OPA can't interrupt it
}

func (b *brake) Cancel() { b.stop.CompareAndSwap(running, abandoned) }

func (b *brake) Cancelled() bool {
	if b.stop.Load() != running {
		return true
	}
	b.polls++
	if b.polls%pollsPerLook != 0 {
		return false
	}
	if b.polls > maxHeldPolls && !b.hold.IsZero() {
		b.stop.CompareAndSwap(running, stoppedByHold)
		return true
	}
	return b.look(time.Now())
}

func (b *brake) look(now time.Time) bool {
	switch {
	case now.After(b.deadline):
		b.stop.CompareAndSwap(running, stoppedByDeadline)
	case !b.hold.IsZero() && now.After(b.hold):
		b.stop.CompareAndSwap(running, stoppedByHold)
	case now.Sub(b.started) > patience:
		if b.heapLimit > 0 && now.After(b.nextMemory) {
			b.nextMemory = now.Add(memoryInterval)
			if heapBytes() > b.heapLimit {
				b.stop.CompareAndSwap(running, stoppedByMemory)
			}
		}
		if now.Sub(b.started) > laneAfter {
			slow.travel(b, now)
		}
		// Without this, a long evaluation occupies a scheduler's processor for 10 ms at a time.
		runtime.Gosched()
	}
	return b.stop.Load() != running
}

// heapBytes returns the live heap after the last collection.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
