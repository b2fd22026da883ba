"""The sample application: patients and appointments on Aurora PostgreSQL, behind a load balancer."""
