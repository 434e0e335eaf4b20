package main

import (
	"testing"
	"time"

	"tabard.dev/engine/engine"
)

// A deadline that is over makes the watchdog fire while the job is still being started: run with -race.
func TestWatchdogMayFireWhileAJobIsStarted(t *testing.T) {
	active := &activePolicy{pool: newPool(1<<20, 0)}
	past := engine.Limits{Deadline: time.Now().Add(-time.Minute)}
	for range 20_000 {
		active.pool.enter()
		j := start(active, past, 0, true, func(*engine.Ticket) engine.Result { return engine.Result{} })
		<-j.done
		jobs.remove(j.ticket)
	}
}
