package engine

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Between two calls under one grant most of an input is identical: the agent, the subject, the whole chain. Parsing JSON
// costs about as much as evaluating, so the values of these parts are cached by their text.
const (
	rememberedMin   = 64        // bytes; parsing a shorter text is as fast as a look-up
	rememberedMax   = 16 << 10  // bytes of one text
	rememberedTotal = 256 << 10 // bytes of all texts of one policy; their values take about twenty times as much
	checkedTotal    = 64 << 10  // bytes of texts that are only known to be JSON
	doorkeepers     = 1024
)

type remembered struct {
	hash  uint64
	text  []byte
	value ast.Value
	used  bool
}

// memory caches values by the JSON text that they were parsed from. Values are immutable, so they can be shared.
type memory struct {
	seed maphash.Seed

	mu    sync.Mutex
	items map[uint64]*remembered
	queue []*remembered // oldest first; an item that was used since its last check moves to the end
	total int
	limit int
	seen  [doorkeepers]uint64 // hashes of texts seen once: a text is cached when it is seen again
}

func newMemory(limit int) *memory {
	return &memory{seed: maphash.MakeSeed(), items: map[uint64]*remembered{}, limit: limit}
}

func (m *memory) hash(text []byte) uint64 { return maphash.Bytes(m.seed, text) }

func (m *memory) recall(hash uint64, text []byte) ast.Value {
	m.mu.Lock()
	defer m.mu.Unlock()
	item := m.items[hash]
	if item == nil || !bytes.Equal(item.text, text) {
		return nil
	}
	item.used = true
	return item.value
}

func (m *memory) remember(hash uint64, text []byte, value ast.Value) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if door := &m.seen[hash%doorkeepers]; *door != hash {
		*door = hash
		return
	}
	if m.items[hash] != nil {
		return
	}
	for m.total+len(text) > m.limit {
		var oldest *remembered
		oldest, m.queue = withoutOldest(m.queue)
		delete(m.items, oldest.hash)
		m.total -= len(oldest.text)
	}
	item := &remembered{hash: hash, text: bytes.Clone(text), value: value}
	m.items[hash] = item
	m.queue = append(m.queue, item)
	m.total += len(text)
}

func (r *remembered) unused() bool {
	used := r.used
	r.used = false
	return !used
}

// extent returns the end of the object or array that starts at at, or at itself if there is none or it doesn't end. It
// only counts brackets; the parser checks whether the text is JSON.
func extent(text []byte, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
		if depth <= 0 {
			if i == at || depth < 0 {
				return at
			}
			return i + 1
		}
	}
	return at
}

const (
	sharedKeySlots  = 2048
	sharedKeyLength = 64
)

// keyTable shares the terms of object keys. A slot holds the key that was used last; for a key that isn't in the table a
// new term is created.
type keyTable struct {
	seed  maphash.Seed
	slots [sharedKeySlots]atomic.Pointer[sharedKey]
}

type sharedKey struct {
	text string
	term *ast.Term
}

var sharedKeys = keyTable{seed: maphash.MakeSeed()}

func (t *keyTable) term(text []byte) *ast.Term {
	if len(text) > sharedKeyLength {
		return ast.NewTerm(ast.String(text))
	}
	slot := &t.slots[maphash.Bytes(t.seed, text)%sharedKeySlots]
	if found := slot.Load(); found != nil && found.text == string(text) {
		return found.term
	}
	own := string(text)
	term := ast.NewTerm(ast.String(own))
	slot.Store(&sharedKey{text: own, term: term})
	return term
}
