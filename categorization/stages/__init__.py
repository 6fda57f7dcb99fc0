"""The ten stages, one module each. `trail.STAGES` lists them in the order in which they run."""
