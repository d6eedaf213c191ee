"""What a client loses when something breaks: this module, the incumbent's daemons, PHP-FPM.

./dev bench faults prints a table. docs/reliability.md has the last one.
"""
