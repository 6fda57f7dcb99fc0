"""A stand-in for both exchanges on loopback: their wire protocols, books, matching and settlement."""
