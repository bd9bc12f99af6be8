"""Serving: what runs beside a vLLM server, and the list of servers; imports nothing but the standard library."""
