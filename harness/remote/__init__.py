"""Results and store on object storage: what is brought from there, and what is put."""
