"""Runs the validation notebooks and writes the report; the only importer of papermill."""
