"""A zoo: a small random model of every family that courses use, made with the family's own configuration class."""
