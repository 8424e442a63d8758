"""Reading zip files that anybody may have made. Free of Django: all of it runs in the child of `teams.sandbox`."""
