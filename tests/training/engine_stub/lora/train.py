import sys

from stub import main  # type: ignore[import-not-found]  # found by the launcher's PYTHONPATH

if __name__ == "__main__":
    sys.exit(main("adapter/adapter_config.json"))
