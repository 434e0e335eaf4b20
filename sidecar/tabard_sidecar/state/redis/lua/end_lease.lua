local gone = forget_lease(q.id)
if gone > 0 then bump() end
return gone
