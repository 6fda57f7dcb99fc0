"""The ten stages, one module each. `pipeline.STAGES` lists them in the order in which they run."""
