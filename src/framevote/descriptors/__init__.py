"""Local features: many places of each moment, each described by a row of numbers, for the encoders to count."""
