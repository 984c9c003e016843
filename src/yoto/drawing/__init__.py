"""Figures and tables from plain columns; nothing here knows what they mean."""
