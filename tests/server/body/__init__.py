"""The body of the response: its blocks, when each is sent, and close()."""
