import sys

from stub import main

if __name__ == "__main__":
    sys.exit(main("adapter/adapter_config.json"))
