return approval(q.id)
