"""Reporting: tables (no drawing), figures (no computing), and the PDF."""
