"""What a box itself is set to, which no backup holds: captured as data, carried to another box, compared."""
