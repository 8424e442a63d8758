"""Files that the platform keeps, wherever they lie: `files` keeps and gives, `shelves` are the storages,
`moving` is for `manage.py storage`. docs/storage.md tells the whole."""
