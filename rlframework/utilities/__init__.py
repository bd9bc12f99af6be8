"""Utilities: arguments, fields, imports, folders, hashes and ranks, which all packages here use."""
