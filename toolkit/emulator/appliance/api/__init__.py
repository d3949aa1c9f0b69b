"""The automation API of docs/appliance-api.md: thin; every rule lives in the box's services."""
