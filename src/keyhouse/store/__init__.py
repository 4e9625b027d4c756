"""The only room that knows SQL. It takes a transaction, never commits one, and returns frozen structs."""
