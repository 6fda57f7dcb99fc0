"""A seeded simulation of trading under every fault: a world, a program of events, and what must hold.

What a seed cannot play stands in `weather.NOT_PLAYED`, with the reason; the command prints it.
"""
