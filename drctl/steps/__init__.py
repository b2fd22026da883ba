"""Nouns: one AWS thing per file, with find, ensure, verify and destroy side by side."""
