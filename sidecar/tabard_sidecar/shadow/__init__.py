"""Tries a candidate policy beside the one that decides.

The records of decisions go to a process of its own (:mod:`.worker`), which replays them with the candidate as they come. So
nothing that the candidate does reaches a caller: not its errors, not its time-outs, not its memory.
"""
