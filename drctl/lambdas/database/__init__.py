"""The function's one way to Aurora: local secret, TLS, a connection that is kept and mended."""
