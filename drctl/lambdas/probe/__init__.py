"""drctl's hand inside the VPC: heartbeats that make RTO and RPO measurable on any application."""
