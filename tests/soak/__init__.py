"""Hours of mixed load on a server whose processes are killed, restarted and edited: ./dev soak.

Every answer is compared with what it has to be. At the end, the server has to have as many
processes and descriptors as after the first minutes.
"""
