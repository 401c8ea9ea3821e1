"""Models that can be deployed: what one is (`bundle`), known architectures (`zoo`), making one (`training`, `importing`)."""
