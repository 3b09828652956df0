"""Teachers: whatever scores (query, document), and the exact search over their scores."""
