"""A small client of the Kubernetes API server, for processes that run in a cluster.

It knows no kinds of objects: callers read and write plain JSON. A client library for all of them takes 40 MB.
"""
