"""The console at `/console`: its page, and what that loads, as Vite has built them of `console/`."""
