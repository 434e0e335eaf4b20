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

// An evaluation that can't be interrupted gives its place to others until it ends, and takes none back.
func TestPlaceOfAStuckEvaluationIsReplacedOnce(t *testing.T) {
	const places = 3
	active := &activePolicy{pool: newPool(places, 0)}
	release := make(chan struct{})
	stick := func() {
		past := engine.Limits{Deadline: time.Now()}
		<-start(active, past, 0, true, func(*engine.Ticket) engine.Result { <-release; return engine.Result{} }).done
	}
	for stuck := range 2 * places {
		if !active.pool.enter() {
			t.Fatalf("no place is left beside %d stuck evaluations", stuck)
		}
		stick()
		until(t, func() bool { return active.pool.stuck.Load() == int64(stuck+1) })
	}
	if active.pool.enter() {
		t.Fatal("stuck evaluations are without limit")
	}
	close(release)
	until(t, func() bool { return active.pool.stuck.Load() == 0 && active.pool.inFlight.Load() == 0 })
	if ever := active.pool.everStuck.Load(); ever != 2*places {
		t.Fatalf("%d were counted", ever)
	}
}

func until(t *testing.T, reached func() bool) {
	t.Helper()
	for begun := time.Now(); !reached(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("not reached")
		}
	}
}

func TestPolicyThatOccupiedItsCallerTooLongStartsElsewhereForATime(t *testing.T) {
	policy, err := engine.Compile(&engine.Source{
		Modules: map[string]string{"a.rego": "package a\n\nx := 1\n"}, Entrypoints: []string{"data.a.x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	active := &activePolicy{policy: policy, pool: newPool(1, 0)}
	now, used := time.Now(), engine.ThreadTime()
	active.held(now.Add(-time.Hour), used)
	if !active.mayHold(time.Now()) {
		t.Fatal("the machine's delay was taken for the policy's")
	}
	for strike := range 3 {
		before := time.Now()
		active.held(before.Add(-time.Hour), engine.ThreadTime()-time.Second)
		wait := penance << strike
		if active.mayHold(before.Add(wait-time.Second)) || !active.mayHold(time.Now().Add(wait+time.Second)) {
			t.Fatalf("after %d of them it doesn't wait for %v", strike+1, wait)
		}
	}
}
