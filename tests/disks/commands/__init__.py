"""What disks are told to erase themselves by, without any that would."""
