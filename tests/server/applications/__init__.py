"""Whole applications: frameworks, real ones, random ones, and how each is called."""
