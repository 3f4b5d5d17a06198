"""Commands of handler modules."""
