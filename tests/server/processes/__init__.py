"""Applications in processes of their own, on a real server: deaths, walls, restarts, Pythons."""
