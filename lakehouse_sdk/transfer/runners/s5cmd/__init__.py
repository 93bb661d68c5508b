"""The s5cmd process and nothing else."""
