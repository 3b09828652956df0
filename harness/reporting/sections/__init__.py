"""The sections of a report: each puts what was computed into texts, tables and pictures."""
