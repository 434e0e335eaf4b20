package engine

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// laneAfter is how long an evaluation runs before it needs a place in the slow lane to continue.
	laneAfter = 5 * time.Millisecond
	// laneSlice is how long it keeps its place while others wait for one.
	laneSlice = 5 * time.Millisecond
	// laneBurst is how long it runs before it pauses for lanePause, if there were other evaluations in that time: a long
	// evaluation produces the most garbage, and collecting it would slow the others down.
	laneBurst = 500 * time.Microsecond
	lanePause = 2 * time.Millisecond
	// laneCheck is how often a waiting evaluation checks whether it was stopped.
	laneCheck = 10 * time.Millisecond
)

// lane bounds how many long evaluations use the processors at once: one less than there are. Further ones wait without
// using a processor.
type lane struct {
	places  chan struct{}
	waiting atomic.Int64
	begun   atomic.Int64 // number of evaluations begun since the start
}

var slow = lane{places: make(chan struct{}, SlowPlaces())}

// SlowPlaces is how many long evaluations may run at once.
func SlowPlaces() int { return max(1, runtime.NumCPU()-1) }

// travel waits for a place in the lane if the evaluation needs one. It returns early if the brake was stopped.
func (l *lane) travel(b *brake, now time.Time) {
	if b.inLane {
		if l.waiting.Load() == 0 || now.Sub(b.laneSince) < laneSlice {
			l.pause(b, now)
			return
		}
		l.leave(b)
	}
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	timer := time.NewTimer(laneCheck)
	defer timer.Stop()
	for b.stop.Load() == running {
		select {
		case l.places <- struct{}{}:
			b.inLane, b.laneSince = true, time.Now()
			b.burstSince, b.begun = b.laneSince, l.begun.Load()
			return
		case now = <-timer.C:
			if now.After(b.deadline) {
				b.stop.CompareAndSwap(running, stoppedByDeadline)
			}
			timer.Reset(min(laneCheck, max(time.Until(b.deadline), time.Microsecond)))
		}
	}
}

// pause yields to other evaluations at the end of a burst, if there are any.
func (l *lane) pause(b *brake, now time.Time) {
	if now.Sub(b.burstSince) < laneBurst {
		return
	}
	if begun := l.begun.Load(); begun != b.begun {
		b.begun = begun
		time.Sleep(min(lanePause, time.Until(b.deadline)))
		now = time.Now()
	}
	b.burstSince = now
}

func (l *lane) leave(b *brake) {
	if b.inLane {
		b.inLane = false
		<-l.places
	}
}
