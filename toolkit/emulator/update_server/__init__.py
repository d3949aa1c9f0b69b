"""The emulated update channel, signed with The Update Framework."""
