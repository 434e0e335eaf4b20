package engine

// lasting is what a cache holds.
type lasting interface {
	// unused tells whether it wasn't used since this was asked last.
	unused() bool
}

// withoutOldest removes the oldest item of a queue that wasn't used since its last check; the others that were checked move
// to the end. It returns that item and the queue.
func withoutOldest[T lasting](queue []T) (T, []T) {
	for {
		var none T
		oldest := queue[0]
		queue[0] = none
		queue = queue[1:]
		if oldest.unused() {
			return oldest, queue
		}
		queue = append(queue, oldest)
	}
}
