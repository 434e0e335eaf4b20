"""One module per caveat type, which holds everything about it; see :mod:`tabard.caveats.base`."""
