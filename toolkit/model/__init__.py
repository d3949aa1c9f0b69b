"""The nouns everybody shares; nothing here touches a file, a socket or a clock."""
