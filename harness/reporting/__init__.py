"""Reports from a results folder: tables, figures and a PDF; nothing is trained or tracked here."""
