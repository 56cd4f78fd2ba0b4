"""The HTTP API, one module per subject. Shapes are msgspec structs; instants ISO 8601 UTC; units for people."""
