"""Beside the server's other modules: filters, includes, rewriting, mod_python."""
