"""Disk images built from the recipes in `vm_images/`: without root, without loop devices, the same twice."""
