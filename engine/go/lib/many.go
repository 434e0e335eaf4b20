package main

/*
#include "tabard_opa.h"
*/
import "C"

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"tabard.dev/engine/engine"
)

// tabard_evaluate_many evaluates one entrypoint on count inputs that stand one after another in inputs. Each item has
// deadlineNS from its own beginning. The result is, per input and in order: status and length as little-endian 32-bit
// numbers, parse_ns and eval_ns as 64-bit ones, and the data.
//
//export tabard_evaluate_many
func tabard_evaluate_many(
	handle C.uint64_t, entrypoint C.int64_t, inputs *C.char, lengths *C.int64_t, count C.int64_t,
	deadlineNS C.int64_t, mailbox C.uint64_t, out *C.tabard_outcome,
) {
	defer guard(out)
	now := time.Now()
	active, failure := admit(uint64(handle))
	if failure != nil {
		giveResult(out, &engine.Result{Failure: failure})
		return
	}
	var total C.int64_t
	sizes := unsafe.Slice(lengths, int(count))
	for _, size := range sizes {
		total += size
	}
	text := bytesOf(inputs, total)
	batch := &batch{
		active: active, entrypoint: int(entrypoint), deadline: time.Duration(deadlineNS),
		inputs: make([][]byte, len(sizes)), results: make([]engine.Result, len(sizes)),
	}
	for i, size := range sizes {
		batch.inputs[i], text = text[:size:size], text[size:]
	}
	last := engine.Limits{Deadline: now.Add(batch.deadline * time.Duration(max(len(sizes), 1)))}
	answer(start(active, last, uint64(mailbox), false, batch.run), 0, out)
}

// batch is many evaluations that are answered together.
type batch struct {
	active     *activePolicy
	entrypoint int
	deadline   time.Duration
	inputs     [][]byte
	results    []engine.Result
	next       atomic.Int64
}

// run works through the inputs with as many helpers as there are processors, fewer when little is left of the pool.
func (b *batch) run(stop *engine.Ticket) engine.Result {
	var helpers sync.WaitGroup
	for range min(len(b.inputs), runtime.NumCPU()) - 1 {
		if !b.active.pool.enter() {
			break
		}
		helpers.Go(func() {
			defer b.active.pool.leave()
			b.work(stop)
		})
	}
	b.work(stop)
	helpers.Wait()
	return engine.Result{JSON: b.pack()}
}

func (b *batch) work(stop *engine.Ticket) {
	for {
		i := int(b.next.Add(1)) - 1
		if i >= len(b.inputs) {
			return
		}
		limits := engine.Limits{Deadline: time.Now().Add(b.deadline), HeapLimit: b.active.pool.heapLimit}
		b.results[i], _ = b.active.policy.Evaluate(b.entrypoint, b.inputs[i], limits, stop.Child())
	}
}

func (b *batch) pack() []byte {
	var packed []byte
	for i := range b.results {
		result := &b.results[i]
		data, status := result.JSON, uint32(C.TABARD_OK)
		if result.Failure != nil {
			data, status = result.Failure.JSON(), uint32(C.TABARD_FAILED)
		}
		packed = binary.LittleEndian.AppendUint32(packed, status)
		packed = binary.LittleEndian.AppendUint32(packed, uint32(len(data)))
		packed = binary.LittleEndian.AppendUint64(packed, uint64(result.ParseNS))
		packed = binary.LittleEndian.AppendUint64(packed, uint64(result.EvalNS))
		packed = append(packed, data...)
	}
	return packed
}
