package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A decision is a function of what the policy reads of its input, and most of what differs between two calls isn't read. So
// answers are remembered by what their evaluations have read: an answer is at the end of a way of readings, each of which says
// what is read next. Two inputs that agree in all readings of a way lead to one evaluation, step by step.
//
// A way is a chain of digests: of a secret with the query, then of the digest before with a place and the text that was found
// there. No text of an input is kept, only these digests, names of members, and the answers.
type answers struct {
	layout  *layout
	secret  digest
	checked []*memory // see places
	unused  sync.Pool // of *Question

	mu    sync.Mutex
	steps map[digest]*step
	queue []*step // oldest first; a step that was used since its last check moves to the end
	total int
	limit int
	pace  pace
	ways  ways
}

type digest [sha256.Size]byte

// step is a point of a way: what is read there, or the answer.
type step struct {
	at     digest
	next   reading
	answer []byte // nil where something is read
	way    int32  // of an answer
	used   bool
}

const (
	stepBytes     = 192     // of a step in memory, beside its texts
	longestAnswer = 8 << 10 // bytes; a longer answer isn't remembered
	mostReadings  = 64      // an evaluation that reads more isn't remembered
	longestWay    = 4 * mostReadings
	longestAsked  = 64 << 10 // bytes of an input; a longer one is evaluated
	checkedDepths = 4        // down to which texts are known to be JSON
)

func newAnswers(layout *layout, limit int) *answers {
	made := &answers{layout: layout, steps: map[digest]*step{}, limit: limit, pace: newPace()}
	rand.Read(made.secret[:]) // never fails
	for range checkedDepths {
		made.checked = append(made.checked, newMemory(checkedTotal/checkedDepths))
	}
	return made
}

// begin returns where the ways of a query begin.
func (a *answers) begin(query string) digest {
	return sha256.Sum256(append(a.secret[:len(a.secret):len(a.secret)], query...))
}

// cover tells whether a query reads the input through rules that the layout was made of, and not itself.
func (a *answers) cover(compiler *ast.Compiler, query ast.Body) bool {
	covered := true
	ast.WalkRefs(query, func(ref ast.Ref) bool {
		covered = covered && ref.HasPrefix(ast.DefaultRootRef)
		return !covered
	})
	for rule := range reachedBy(compiler, query) {
		_, known := a.layout.rules[rule]
		covered = covered && known
	}
	return covered
}

// wanted tells whether the next evaluation should ask.
func (a *answers) wanted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pace.asks()
}

// recall returns the answer at the end of the way that an input leads along, and the way; nil if there is none.
func (a *answers) recall(asked *Question) *Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := asked.begin
	for range longestWay {
		found := a.steps[at]
		if found == nil {
			return nil
		}
		found.used = true
		if found.answer != nil {
			a.pace.hit()
			return &Result{JSON: found.answer, Way: found.way}
		}
		at = asked.follow(at, found.next)
	}
	return nil
}

// remember adds the answer of an evaluation, and the steps of its way that aren't known yet. Where a known step reads something
// that this evaluation didn't read, the way goes through it all the same: the answer then holds for fewer inputs. It returns the
// way.
func (a *answers) remember(asked *Question, answer []byte) int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, left := asked.begin, asked.readings
	way := make([]reading, 0, usualReadings)
	for range longestWay {
		found := a.steps[at]
		switch {
		case found != nil && found.answer != nil:
			return found.way
		case found != nil:
			way = append(way, found.next)
			left = without(left, found.next)
			at = asked.follow(at, found.next)
		case len(left) == 0:
			number := a.ways.number(way)
			a.add(&step{at: at, answer: answer, way: number})
			return number
		default:
			way = append(way, left[0])
			a.add(&step{at: at, next: left[0]})
			at = asked.follow(at, left[0])
			left = left[1:]
		}
	}
	return 0
}

// without returns readings without one of them; readings that a question holds aren't changed.
func without(readings []reading, one reading) []reading {
	for i := range readings {
		if readings[i] == one {
			if i == 0 {
				return readings[1:]
			}
			return append(append(make([]reading, 0, len(readings)-1), readings[:i]...), readings[i+1:]...)
		}
	}
	return readings
}

func (a *answers) add(made *step) {
	size := made.size()
	for a.total+size > a.limit {
		if len(a.queue) == 0 {
			return
		}
		var oldest *step
		oldest, a.queue = withoutOldest(a.queue)
		delete(a.steps, oldest.at)
		a.total -= oldest.size()
	}
	a.steps[made.at] = made
	a.queue = append(a.queue, made)
	a.total += size
}

func (s *step) size() int { return stepBytes + len(s.next.name) + len(s.answer) }

func (s *step) unused() bool {
	used := s.used
	s.used = false
	return !used
}
