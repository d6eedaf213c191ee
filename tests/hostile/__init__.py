"""Applications' processes that are hostile, under real servers."""
