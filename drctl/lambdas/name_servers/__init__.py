"""Questions to the name servers of a zone, for drctl and for the functions that ask them too."""
