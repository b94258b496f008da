"""One thin module per provider. Wire formats stand here and nowhere else."""
