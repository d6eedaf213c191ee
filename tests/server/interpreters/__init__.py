"""Interpreters: who is in which, what they share, and their locks and threads."""
