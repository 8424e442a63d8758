import sys

from stub import main

if __name__ == "__main__":
    sys.exit(main("program.json"))
