"""How bytes travel: direct, staged."""
