"""The kinds of step that an endpoint's chain is made of, one file each."""
