"""What may change supply. Nothing that can change supply reaches a meter without a warrant of this package."""
