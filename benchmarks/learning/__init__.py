"""Whether every network learns: its loss in the first steps of its own recipe."""
