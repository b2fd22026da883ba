"""How things are done, whatever they are: steps in dependency order, actions in a row, waiting, evidence."""
