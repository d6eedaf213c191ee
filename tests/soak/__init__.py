"""Hours of mixed load on a server whose processes are killed, restarted and edited: ./dev soak.

Every answer is compared with what it has to be. At the end there must be no zombie, and no
more descriptors than after each fault was done once.
"""
