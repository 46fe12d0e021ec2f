"""The live connection of the pages, and the sentence it keeps current."""
