"""`manage.py backup`, `verify` and `restore`: database and files as one folder, for either kind of database.

    manifest.json                 what is here: rows and hash of each table, size and hash of each file, the version
    database/<app>.<model>.jsonl.zst   one row a line
    files/…                       what lay under VAR_DIR, by the same names

The folder is written under another name and renamed once it is whole.
"""
