package engine

const (
	paceWindow  = 64   // questions after which it is judged whether asking pays
	paceWorth   = 8    // it does if one of so many was answered
	shortestOff = 128  // evaluations without asking, the first time
	longestOff  = 1024 // and at most
)

// pace decides which evaluations ask for a remembered answer. Some policies read what differs in every call, such as the time;
// asking costs them a tenth of an evaluation. So after a window with few answers a number of evaluations doesn't ask.
type pace struct {
	asked, hits int
	off, left   int
}

func newPace() pace { return pace{off: shortestOff} }

// asks tells whether the next evaluation asks.
func (p *pace) asks() bool {
	if p.left > 0 && p.hits*paceWorth < paceWindow {
		p.left--
		return false
	}
	p.left = 0
	if p.asked == paceWindow {
		worth := p.hits*paceWorth >= p.asked
		p.asked, p.hits = 0, 0
		if !worth {
			p.left = p.off - 1
			p.off = min(2*p.off, longestOff)
			return false
		}
		p.off = shortestOff
	}
	p.asked++
	return true
}

func (p *pace) hit() { p.hits++ }

// recalled counts answers that were given again without asking: only what asked before could give them.
func (p *pace) recalled(count int) { p.hits = min(p.hits+count, paceWindow) }
