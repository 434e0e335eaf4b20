package main

/*
#include "tabard_opa.h"
*/
import "C"

import (
	"encoding/json"
	"errors"

	"tabard.dev/engine/engine"
)

// tabard_compile reads a JSON object, which is the engine's Source; the handle of the policy is in the outcome.
//
//export tabard_compile
func tabard_compile(pool C.uint64_t, request *C.char, length C.int64_t, out *C.tabard_outcome) {
	defer guard(out)
	owner, found := pools.get(uint64(pool))
	if !found {
		giveError(out, errors.New("the engine is closed"))
		return
	}
	var source engine.Source
	if err := json.Unmarshal(bytesOf(request, length), &source); err != nil {
		giveError(out, err)
		return
	}
	policy, err := engine.CompileInTime(&source)
	if err != nil {
		giveError(out, err)
		return
	}
	out.handle = C.uint64_t(policies.add(&activePolicy{policy: policy, pool: owner}))
	give(out, C.TABARD_OK, nil)
}

// tabard_policy_with_data returns the same rules with other data, in the handle of the outcome.
//
//export tabard_policy_with_data
func tabard_policy_with_data(handle C.uint64_t, data *C.char, length C.int64_t, out *C.tabard_outcome) {
	defer guard(out)
	active, found := policies.get(uint64(handle))
	if !found {
		giveError(out, errors.New("the policy is closed"))
		return
	}
	other, err := active.policy.WithData(bytesOf(data, length))
	if err != nil {
		giveError(out, err)
		return
	}
	out.handle = C.uint64_t(policies.add(&activePolicy{policy: other, pool: active.pool}))
	give(out, C.TABARD_OK, nil)
}

// tabard_policy_free frees a policy. Running evaluations finish.
//
//export tabard_policy_free
func tabard_policy_free(handle C.uint64_t) { policies.remove(uint64(handle)) }
