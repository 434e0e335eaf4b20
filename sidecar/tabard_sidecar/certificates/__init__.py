"""Certificates that a process makes and renews by itself: its own authority, kept in a Secret that all replicas share.

Replicas need no leader. Each reads the Secret, does what is due, and writes it only if no one else has meanwhile.
"""
