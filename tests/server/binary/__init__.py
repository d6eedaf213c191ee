"""The file of the module itself: its symbols, and the libraries that it loads."""
