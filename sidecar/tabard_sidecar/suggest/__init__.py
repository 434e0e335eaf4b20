"""Proposes narrower permissions from what allowed decisions used.

Data flows one way: :mod:`.learning` reads allowed decisions into the bounded sketches of :mod:`.usage`, :mod:`.proposing` says
what they allow to be denied, :mod:`.written` and :mod:`.cases` write that as a module with data and decision cases, and
:mod:`.trying` replays it on decisions that nothing was learned from.
"""
