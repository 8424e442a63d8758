"""How a file from outside becomes rows: the halves of the sandbox that reads datasets. Pure Python, no Django.

`child` and `check_child` run in the sandbox (`teams.sandbox`); `checked` is what the platform's side proves of the rows
that came out, before it keeps one; `problems` is what both know of problems.
"""
