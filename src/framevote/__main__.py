"""`python -m framevote` is the command line."""

from framevote.cli import main

if __name__ == "__main__":
    main()
