return ended_at_or_above(q.link) and 1 or 0
