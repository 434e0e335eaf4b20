"""Server and command line of Tabard."""
