"""drctl builds a two-region disaster-recovery stack on AWS, rehearses the loss of a region and takes it down again."""

__version__ = "0.1.0"
