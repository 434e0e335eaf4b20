// Command lib exports the engine as a C shared library. Every exported function recovers from panics, and none keeps a
// caller's pointer after it has returned.
package main

/*
#include <stdlib.h>
#include "tabard_opa.h"
*/
import "C"

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"tabard.dev/engine/engine"
)

func main() {}

func init() {
	// Long evaluations use up to engine.SlowPlaces of the scheduler's processors; the rest is for short ones.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + engine.SlowPlaces())
	}
}

func bytesOf(data *C.char, length C.int64_t) []byte {
	if length <= 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(data), C.int(length))
}

// borrowed returns the caller's own bytes, without a copy. Nothing may keep them after the exported function has returned.
func borrowed(data *C.char, length C.int64_t) []byte {
	if length <= 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(data)), int(length))
}

func give(out *C.tabard_outcome, status C.int32_t, data []byte) {
	out.status = status
	out.data, out.length = nil, 0
	if len(data) > 0 {
		out.data, out.length = (*C.char)(C.CBytes(data)), C.int64_t(len(data))
	}
}

func giveResult(out *C.tabard_outcome, result *engine.Result) {
	out.parse_ns, out.eval_ns, out.way = C.int64_t(result.ParseNS), C.int64_t(result.EvalNS), C.int32_t(result.Way)
	if result.Failure != nil {
		give(out, C.TABARD_FAILED, result.Failure.JSON())
		return
	}
	give(out, C.TABARD_OK, result.JSON)
}

// giveError reports the error of a call that isn't an evaluation, always as a list of problems.
func giveError(out *C.tabard_outcome, err error) {
	var problems engine.Problems
	if !errors.As(err, &problems) {
		problems = engine.Problems{{Code: "error", Message: err.Error()}}
	}
	text, failed := json.Marshal(problems)
	if failed != nil {
		text = []byte(`[{"code":"internal","message":"the problems can't be encoded"}]`)
	}
	give(out, C.TABARD_FAILED, text)
}

// guard turns a panic into a failed outcome. It is deferred by every exported function that has an outcome.
func guard(out *C.tabard_outcome) {
	if cause := recover(); cause != nil {
		giveError(out, fmt.Errorf("the engine failed: %v", cause))
	}
}

// tabard_release frees the data of an outcome.
//
//export tabard_release
func tabard_release(data *C.char) { C.free(unsafe.Pointer(data)) }

// tabard_tune configures the garbage collector of the whole process; a value below 0 leaves a setting unchanged.
//
//export tabard_tune
func tabard_tune(memoryLimit C.int64_t, collectPercent C.int64_t) {
	if memoryLimit >= 0 {
		debug.SetMemoryLimit(int64(memoryLimit))
	}
	if collectPercent >= 0 {
		debug.SetGCPercent(int(collectPercent))
	}
}

// tabard_trim collects garbage and returns to the system what is free: compiling a policy takes more than the policy.
//
//export tabard_trim
func tabard_trim() { debug.FreeOSMemory() }

//export tabard_version
func tabard_version(out *C.tabard_outcome) {
	defer guard(out)
	give(out, C.TABARD_OK, []byte(engine.Version()))
}

//export tabard_capabilities
func tabard_capabilities(out *C.tabard_outcome) {
	defer guard(out)
	text, err := engine.Capabilities()
	if err != nil {
		giveError(out, err)
		return
	}
	give(out, C.TABARD_OK, text)
}

//export tabard_parse
func tabard_parse(name *C.char, nameLength C.int64_t, source *C.char, length C.int64_t, out *C.tabard_outcome) {
	defer guard(out)
	text, err := engine.Describe(string(bytesOf(name, nameLength)), string(bytesOf(source, length)))
	if err != nil {
		giveError(out, err)
		return
	}
	give(out, C.TABARD_OK, text)
}

// tabard_read_bundle reads a JSON object {path, max_bytes, verification}.
//
//export tabard_read_bundle
func tabard_read_bundle(request *C.char, length C.int64_t, out *C.tabard_outcome) {
	defer guard(out)
	var wanted engine.BundleRequest
	if err := json.Unmarshal(bytesOf(request, length), &wanted); err != nil {
		giveError(out, err)
		return
	}
	text, err := engine.ReadBundle(&wanted)
	if err != nil {
		giveError(out, err)
		return
	}
	give(out, C.TABARD_OK, text)
}

// tabard_engine_new creates an engine, which bounds the evaluations of one owner; its handle is in the outcome.
//
//export tabard_engine_new
func tabard_engine_new(maxInFlight C.int64_t, heapLimit C.int64_t, out *C.tabard_outcome) {
	defer guard(out)
	out.handle = C.uint64_t(pools.add(newPool(int64(maxInFlight), uint64(max(heapLimit, 0)))))
	give(out, C.TABARD_OK, nil)
}

// tabard_engine_stats returns counts of an engine's evaluations, as JSON {stuck, ever_stuck, asked, remembered}.
//
//export tabard_engine_stats
func tabard_engine_stats(handle C.uint64_t, out *C.tabard_outcome) {
	defer guard(out)
	owner, found := pools.get(uint64(handle))
	if !found {
		giveError(out, errors.New("the engine is closed"))
		return
	}
	give(out, C.TABARD_OK, fmt.Appendf(nil, `{"stuck":%d,"ever_stuck":%d,"asked":%d,"remembered":%d}`,
		owner.stuck.Load(), owner.everStuck.Load(), owner.asked.Load(), owner.remembered.Load()))
}

//export tabard_engine_free
func tabard_engine_free(handle C.uint64_t) { pools.remove(uint64(handle)) }

// tabard_evaluate evaluates one entrypoint. It returns within holdNS, with the result or with a ticket. A mailbox of 0
// means that the caller will call tabard_wait.
//
//export tabard_evaluate
func tabard_evaluate(
	handle C.uint64_t, entrypoint C.int64_t, input *C.char, length C.int64_t,
	deadlineNS C.int64_t, holdNS C.int64_t, mailbox C.uint64_t, out *C.tabard_outcome,
) {
	defer guard(out)
	now := time.Now()
	active, failure := admit(uint64(handle))
	if failure != nil {
		giveResult(out, &engine.Result{Failure: failure})
		return
	}
	text, index := borrowed(input, length), int(entrypoint)
	limits := engine.Limits{Deadline: now.Add(time.Duration(deadlineNS)), HeapLimit: active.pool.heapLimit}
	asked, known := active.policy.Ask(index, text)
	active.work(now, limits, text, time.Duration(holdNS), uint64(mailbox), known, out,
		func(text []byte, limits engine.Limits, ticket *engine.Ticket) (engine.Result, error) {
			return active.policy.Evaluate(index, text, limits, ticket, asked)
		})
}

// tabard_query reads a JSON object {kind, query, unknowns, mode, names, files}: kind "partial" evaluates query partially,
// leaving the unknowns open; kind "residual" does so and only counts what remains; kind "explain" evaluates and traces the rule
// that query names; kind "show" evaluates the expression query, in which names are short names of references; kind "cover"
// evaluates the rule that query names and tells what of the files ran; kind "profile" tells what each expression cost. It returns
// a ticket; kind "residual" returns within holdNS, with the result or with a ticket.
//
//export tabard_query
func tabard_query(
	handle C.uint64_t, request *C.char, length C.int64_t, input *C.char, inputLength C.int64_t,
	deadlineNS C.int64_t, holdNS C.int64_t, mailbox C.uint64_t, out *C.tabard_outcome,
) {
	defer guard(out)
	now := time.Now()
	var wanted struct {
		Kind     string            `json:"kind"`
		Query    string            `json:"query"`
		Unknowns []string          `json:"unknowns"`
		Mode     string            `json:"mode"`
		Names    map[string]string `json:"names"`
		Files    []string          `json:"files"`
	}
	if err := json.Unmarshal(borrowed(request, length), &wanted); err != nil {
		giveResult(out, &engine.Result{Failure: &engine.Failure{Code: engine.CodeInvalidQuery, Message: err.Error()}})
		return
	}
	active, failure := admit(uint64(handle))
	if failure != nil {
		giveResult(out, &engine.Result{Failure: failure})
		return
	}
	limits := engine.Limits{Deadline: now.Add(time.Duration(deadlineNS)), HeapLimit: active.pool.heapLimit}
	if wanted.Kind == "residual" {
		query, failure := active.policy.Prepare(wanted.Query, wanted.Unknowns)
		if failure != nil {
			active.pool.leave()
			giveResult(out, &engine.Result{Failure: failure})
			return
		}
		text := borrowed(input, inputLength)
		asked, known := active.policy.AskPartial(query, text)
		active.work(now, limits, text, time.Duration(holdNS), uint64(mailbox), known, out,
			func(text []byte, limits engine.Limits, ticket *engine.Ticket) (engine.Result, error) {
				return active.policy.Residual(query, text, limits, ticket, asked)
			})
		return
	}
	text := bytesOf(input, inputLength)
	job := start(active, limits, uint64(mailbox), false, func(ticket *engine.Ticket) engine.Result {
		switch wanted.Kind {
		case "explain":
			return active.policy.Explain(wanted.Query, wanted.Mode, text, limits, ticket)
		case "show":
			return active.policy.Show(wanted.Query, wanted.Names, text, limits, ticket)
		case "cover":
			return active.policy.Cover(wanted.Query, wanted.Files, text, limits, ticket)
		case "profile":
			return active.policy.Profile(wanted.Query, text, limits, ticket)
		}
		query, failure := active.policy.Prepare(wanted.Query, wanted.Unknowns)
		if failure != nil {
			return engine.Result{Failure: failure}
		}
		return active.policy.Partial(query, text, limits, ticket)
	})
	answer(job, 0, out)
}

// tabard_recalled notes that the caller gave so many answers again by itself, by what tabard_readings told it.
//
//export tabard_recalled
func tabard_recalled(handle C.uint64_t, count C.int64_t) {
	if active, found := policies.get(uint64(handle)); found {
		active.policy.Recalled(int(count))
	}
}

// tabard_readings returns what was read on the way to an answer, by the number that its outcome has: JSON, a list of [aspect,
// path].
//
//export tabard_readings
func tabard_readings(handle C.uint64_t, way C.int32_t, out *C.tabard_outcome) {
	defer guard(out)
	active, found := policies.get(uint64(handle))
	if !found {
		giveError(out, errors.New("the policy is closed"))
		return
	}
	text := active.policy.Readings(int32(way))
	if text == nil {
		giveError(out, errors.New("there is no such way"))
		return
	}
	give(out, C.TABARD_OK, text)
}

// work gives a remembered answer, or evaluates: on the caller's thread if the result comes within hold, else on a goroutine.
// The caller has a place in flight.
func (a *activePolicy) work(
	now time.Time, limits engine.Limits, text []byte, hold time.Duration, mailbox uint64, known *engine.Result, out *C.tabard_outcome,
	evaluate func([]byte, engine.Limits, *engine.Ticket) (engine.Result, error),
) {
	a.pool.asked.Add(1)
	if known != nil {
		a.pool.leave()
		a.pool.remembered.Add(1)
		giveResult(out, known)
		return
	}
	if hold > 0 && len(text) <= engine.MaxHeldInput && a.mayHold(now) {
		held, used := limits, engine.ThreadTime()
		held.Hold = now.Add(hold)
		result, err := evaluate(text, held, &engine.Ticket{})
		a.held(now, used)
		if err == nil {
			a.pool.leave()
			giveResult(out, &result)
			return
		}
		hold = 0
	}
	kept := bytes.Clone(text)
	job := start(a, limits, mailbox, hold > 0, func(ticket *engine.Ticket) engine.Result {
		result, _ := evaluate(kept, limits, ticket)
		return result
	})
	answer(job, hold, out)
}

// answer fills the outcome with the job's result, if it is done within hold, and with its ticket otherwise.
func answer(job *job, hold time.Duration, out *C.tabard_outcome) {
	if hold > 0 && job.waitFor(hold) {
		giveResult(out, &job.result)
		return
	}
	out.handle = C.uint64_t(job.ticket)
	give(out, C.TABARD_PENDING, nil)
}

// tabard_wait blocks until a job that was started without a mailbox is done. Call it with the GIL released.
//
//export tabard_wait
func tabard_wait(ticket C.uint64_t, out *C.tabard_outcome) {
	defer guard(out)
	job, found := jobs.get(uint64(ticket))
	if !found {
		failure := &engine.Failure{Code: engine.CodeInternal, Message: "no such ticket"}
		giveResult(out, &engine.Result{Failure: failure})
		return
	}
	<-job.done
	jobs.remove(job.ticket)
	giveResult(out, &job.result)
}

// tabard_abandon stops a job as soon as possible; its result is discarded.
//
//export tabard_abandon
func tabard_abandon(ticket C.uint64_t) {
	if job, found := jobs.get(uint64(ticket)); found {
		job.abandon()
	}
}

// tabard_mailbox_open creates a mailbox for finished jobs that signals the given eventfd.
//
//export tabard_mailbox_open
func tabard_mailbox_open(descriptor C.int64_t) C.uint64_t {
	return C.uint64_t(mailboxes.add(&mailbox{descriptor: int(descriptor)}))
}

//export tabard_mailbox_close
func tabard_mailbox_close(handle C.uint64_t) {
	if box, found := mailboxes.get(uint64(handle)); found {
		mailboxes.remove(uint64(handle))
		box.close()
	}
}

// tabard_mailbox_take moves at most room finished jobs into out and returns how many.
//
//export tabard_mailbox_take
func tabard_mailbox_take(handle C.uint64_t, out *C.tabard_outcome, room C.int64_t) C.int64_t {
	box, found := mailboxes.get(uint64(handle))
	if !found {
		return 0
	}
	outcomes := unsafe.Slice(out, int(room))
	taken := box.take(int(room))
	for i, job := range taken {
		giveResult(&outcomes[i], &job.result)
		outcomes[i].handle = C.uint64_t(job.ticket)
	}
	return C.int64_t(len(taken))
}
