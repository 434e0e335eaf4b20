"""Holds what the commands and the console have in common.

Which sidecar or service is meant and how it is asked, which log is read, how approvals, tasks and revocations are described,
and how text that others chose is shown.
"""
