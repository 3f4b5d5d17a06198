"""The environment of the migrations of handler modules."""
