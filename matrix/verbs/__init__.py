"""The verbs of ./dev matrix: each is a function of the command line, with an exit status."""
