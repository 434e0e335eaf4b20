"""Tools for policy authors: check, test, evaluate, measure and scaffold."""
