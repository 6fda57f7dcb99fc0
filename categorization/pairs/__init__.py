"""The same question on both venues: read what each market claims, find candidates, compare, let a person decide."""
