"""Fills a database with an organization that nobody has: to look at pages, to take pictures, to measure."""
