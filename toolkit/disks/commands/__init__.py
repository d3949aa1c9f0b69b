"""By which a disk erases itself, also what no program reaches: NVMe, ATA and SCSI, one module each."""
