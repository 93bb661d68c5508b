"""Who carries out a planned row."""
