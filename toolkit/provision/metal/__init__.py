"""Physical machines behind a BMC: the installer is booted on them from virtual media over Redfish."""
