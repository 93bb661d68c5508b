"""How events look in a notebook; only listens."""
