"""The fsspec leaf: `lakehouse://` over storage and transfer."""
