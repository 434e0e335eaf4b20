"""The injector: a Kubernetes webhook that puts the sidecar into pods when they are created.

It is a process of its own. Nothing that serves agents imports it.
"""
