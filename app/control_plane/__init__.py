"""The admin API: routes only; each edits a project and hands it to `changes`, or calls the auth core."""
