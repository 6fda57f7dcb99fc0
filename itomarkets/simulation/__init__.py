"""A seeded simulation of trading under every fault: a world, a program of events, and what must hold."""
