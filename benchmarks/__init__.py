"""The figures that framevote promises, measured: `python -m benchmarks` from the project's root prints them as one table."""
