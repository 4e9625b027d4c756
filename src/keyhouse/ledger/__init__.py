"""Reserve, settle, release: the books of the house. README.md beside this file has the invariants."""
