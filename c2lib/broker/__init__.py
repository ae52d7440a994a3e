"""The mock venue and the adapter in front of it; there is no other venue in this package."""
