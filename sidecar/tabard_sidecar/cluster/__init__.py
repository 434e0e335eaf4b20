"""Examines a cluster: whether injector, rules, control service, namespaces and pods are as they have to be."""
