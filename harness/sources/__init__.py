"""Sources: each reads one kind of data into a Collection."""
