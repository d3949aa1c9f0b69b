"""Files written whole or not at all, files that people give, and one translation of what the system says of them."""
