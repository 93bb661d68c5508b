"""Prefect flows; the only importer of prefect."""
