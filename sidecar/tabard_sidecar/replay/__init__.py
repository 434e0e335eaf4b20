"""Decides recorded decisions again, in their order, by another policy, and says what that changes.

Data flows one way: :mod:`.merging` reads several logs as one, :mod:`.recorded` says what a record holds,
:mod:`.world` decides it as a policy would have, with what :mod:`.carried` says of the task by then, :mod:`.comparing` says what
differs from what was decided, and :mod:`.report` counts it.
"""
