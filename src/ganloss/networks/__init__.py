"""Reference networks: small, honest, without batch normalisation."""
