package engine

import (
	"encoding/binary"
	"encoding/json"
	"slices"
)

// ways numbers the sequences of readings that lead to answers, from 1. Who knows that an input agrees in all readings of a way
// with one that was answered needn't ask again. There are few: inputs differ in what is read, not in what is looked at.
type ways struct {
	numbers map[string]int32
	all     [][]reading
	scratch []byte
}

const mostWays = 256

var aspectNames = [...]string{ofMember: "member", ofWhole: "whole", ofKind: "kind"}

// number returns the number of a way; 0 if it is new and there are too many.
func (w *ways) number(way []reading) int32 {
	key := w.scratch[:0]
	for _, one := range way {
		key = append(key, byte(one.aspect))
		key = binary.BigEndian.AppendUint32(key, uint32(one.part))
		key = binary.BigEndian.AppendUint32(key, uint32(len(one.name)))
		key = append(key, one.name...)
	}
	w.scratch = key
	if known := w.numbers[string(key)]; known != 0 {
		return known
	}
	if len(w.all) == mostWays {
		return 0
	}
	if w.numbers == nil {
		w.numbers = map[string]int32{}
	}
	w.all = append(w.all, slices.Clone(way))
	w.numbers[string(key)] = int32(len(w.all))
	return int32(len(w.all))
}

// Recalled notes that so many answers were given again, by what their ways read, without asking.
func (p *Policy) Recalled(count int) {
	if p.answers == nil || count < 1 {
		return
	}
	p.answers.mu.Lock()
	defer p.answers.mu.Unlock()
	p.answers.pace.recalled(count)
}

// Readings returns what is read on a way as JSON, a list of [aspect, path]; nil if no way has this number.
func (p *Policy) Readings(number int32) []byte {
	if p.answers == nil {
		return nil
	}
	p.answers.mu.Lock()
	defer p.answers.mu.Unlock()
	all := p.answers.ways.all
	if number < 1 || int(number) > len(all) {
		return nil
	}
	shown := make([][2]any, 0, len(all[number-1]))
	for _, one := range all[number-1] {
		path := slices.Clone(p.answers.layout.paths[one.part])
		if one.aspect == ofMember {
			path = append(path, one.name)
		}
		shown = append(shown, [2]any{aspectNames[one.aspect], path})
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return nil // never: texts only
	}
	return text
}
