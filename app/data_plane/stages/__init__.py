"""The stages of a request, a file each; they meet only in the pipeline."""
